"""A round as a chapter of the report: its children as cards, its charts, its costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.diagram import diagram
from nasflow.architecture.difference import sentences
from nasflow.charts import round_charts
from nasflow.charts.charts import Figure
from nasflow.charts.round_curves import RoundCurves, round_curves
from nasflow.records import costs
from nasflow.records.story import Round

Json = Mapping[str, Any]
WORDS = {
    "deepen": "one more layer, which at first passes on what it gets",
    "widen": "more filters in a layer",
    "connect_concat": "a skip connection whose channels are joined on",
    "connect_add": "a skip connection that is added with a learned weight",
    "enlarge_kernel": "a larger kernel, zero in its new ring at first",
    "add_pool": "a new pooling layer",
    "remove_pool": "a pooling layer less",
    "shallow": "a layer less",
    "narrow": "fewer filters in a layer",
    "disconnect": "a skip connection less",
    "shrink_kernel": "a smaller kernel",
}


class Card(NamedTuple):
    """A child in the tree: a row of architectures.parquet, and what a person wants beside it."""

    row: Json
    name: str
    colour: str
    change: list[str]
    words: list[str]
    drawing: Markup | None
    lead: float | None
    error: float | None


class Chapter(NamedTuple):
    """A round: its tree and its charts."""

    round: Round
    cards: list[Card]
    curves: RoundCurves
    figures: list[str]
    costs: list[costs.ChildCost]


def chapter(
    found: Round,
    key: str,
    *,
    config: Json | None,
    most: int,
    images: int,
    drawings: bool,
) -> tuple[Chapter, dict[str, Figure]]:
    """And its figures, under ids that begin with `key`. `most`: steps of a chart; `images`: of the
    training split; `drawings`: whether each child gets its diagram."""
    search = config["search"] if config else None
    curves = round_curves(found.particles, found.names, found.status["winner"], most, search)
    own = {f"{key}-{name}": figure for name, figure in round_charts.figures(curves).items()}
    batch = search["batch_size"] if search else None
    spent = costs.children(found, images, batch)
    return Chapter(found, _cards(found, curves, drawings), curves, list(own), spent), own


def _cards(found: Round, curves: RoundCurves, drawings: bool) -> list[Card]:
    """Of the children, the one with most particles first."""
    last = {row["node"]: row for row in curves.rows[-len(found.nodes) :]}
    cards = []
    parent = found.graphs[0]
    assert parent is not None
    for row, name, graph in list(zip(found.nodes, found.names, found.graphs, strict=True))[1:]:
        end = last.get(row["node"], {})
        cards.append(
            Card(
                row,
                name.partition(" ")[2],
                curves.colours[name],
                sentences(graph, parent) if graph else [],
                [WORDS[m] for m in row["morphism"].split("+") if m in WORDS],
                drawn(graph, parent, f"child {name}") if graph and drawings else None,
                end.get("lead"),
                end.get("error"),
            )
        )
    return sorted(cards, key=lambda card: (-(card.row["count"] or 0), card.row["node"]))


def drawn(g: Architecture, parent: Architecture | None, title: str) -> Markup:
    """A diagram for a page that has the style once."""
    return Markup(diagram(g, parent, title, style=""))
