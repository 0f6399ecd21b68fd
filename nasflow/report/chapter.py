"""One round as a chapter of the report: its children as cards, its charts, its costs."""

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
from nasflow.config.experiment import Experiment
from nasflow.records import costs
from nasflow.records.particle_table import has_forecast
from nasflow.records.story import Round

Json = Mapping[str, Any]
WORDS = {  # what each morphism does, for people
    "deepen": "one more convolution, which at first passes its input on unchanged",
    "widen": "more filters in a layer, which at first have no effect",
    "connect_concat": "a skip connection: a later layer also reads the output of an earlier one, "
    "as additional channels",
    "connect_add": "a skip connection: the output of an earlier layer is added to that of a later "
    "one, with a weight that is learned",
    "enlarge_kernel": "a larger kernel, whose new outer ring is zero at first",
    "add_pool": "a new pooling layer, which halves height and width",
    "remove_pool": "one pooling layer less",
    "shallow": "one layer less",
    "narrow": "fewer filters in a layer",
    "disconnect": "one skip connection less",
    "shrink_kernel": "a smaller kernel",
    "deepen_stages": "more convolutions at the end of every stage (layers with maps of one size), "
    "which at first change nothing",
    "add_stage": "one more stage: a pooling layer and two convolutions in front of the last layer, "
    "which at first change nothing",
    "grow": "more filters in every layer, and one more convolution at the end of every stage; both "
    "change nothing at first",
    "widen_all": "more filters in every layer, which at first have no effect",
    "widen_late": "more filters in the layers with the smallest maps, without effect at first",
    "skip_all": "a skip connection over every convolution that reads another one of its shape, "
    "with weights that are learned",
    "enlarge_all": "larger kernels in all layers, whose new outer rings are zero at first",
    "flatten_head": "a last layer that reads every pixel of its maps, and no longer their average",
    "narrow_all": "fewer filters in every layer",
    "narrow_late": "fewer filters in the layers with the smallest maps",
    "shallow_stages": "one layer less in every stage (layers with maps of one size)",
    "remove_stage": "one stage less: the layers with the smallest maps are gone",
    "shrink_all": "smaller kernels in all layers",
    "average_head": "a last layer that reads the average of each map, and no longer every pixel",
}


class Card(NamedTuple):
    """A child in the tree of the search.

    Attributes:
        row: its row of architectures.parquet.
        name: its morphisms, such as `widen deepen`.
        colour: its colour in the charts.
        change: how its architecture differs from the parent's, in words.
        words: what its morphisms do, in words.
        drawing: its diagram; None where it is not drawn.
        lead: its running validation loss minus the parent's at the last step, in nats, for a
            portfolio as it was predicted; None where one of the two was not measured, or where the
            child dropped out.
        error: the standard error of `lead`.
        predicted: whether `lead` is a forecast.
    """

    row: Json
    name: str
    colour: str
    change: list[str]
    words: list[str]
    drawing: Markup | None
    lead: float | None
    error: float | None
    predicted: bool


class Chapter(NamedTuple):
    """What the report shows of one round.

    Attributes:
        round: the records of the round.
        cards: its children, the one with most particles first.
        curves: the rows of its charts.
        figures: the ids of its charts in the page.
        costs: what each of its networks cost.
    """

    round: Round
    cards: list[Card]
    curves: RoundCurves
    figures: list[str]
    costs: list[costs.ChildCost]


def chapter(
    found: Round,
    key: str,
    *,
    config: Experiment | None,
    most: int,
    images: int,
    drawings: bool,
) -> tuple[Chapter, dict[str, Figure]]:
    """Make the chapter of a round, and its figures by their ids in the page.

    Args:
        found: the records of the round.
        key: the text with which the ids of the figures begin.
        config: the configuration of the search; None where it is unknown.
        most: steps in a chart, at most.
        images: how many images the training split holds.
        drawings: whether each child gets a diagram.
    """
    search = config.search if config else None
    curves = round_curves(found.particles, found.names, found.status["winner"], most, search)
    own = {f"{key}-{name}": figure for name, figure in round_charts.figures(curves).items()}
    batch = search.batch_size if search else None
    spent = costs.children(found, images, batch)
    return Chapter(found, _cards(found, curves, drawings), curves, list(own), spent), own


def _cards(found: Round, curves: RoundCurves, drawings: bool) -> list[Card]:
    """Make a card for each child; the children with most particles come first."""
    last = {row["node"]: row for row in curves.rows[-len(found.nodes) :]}
    cards, predicted = [], has_forecast(found.particles)
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
                None if row["died_at"] else end.get("lead"),
                end.get("error"),
                predicted,
            )
        )
    return sorted(cards, key=lambda card: (-(card.row["count"] or 0), card.row["node"]))


def drawn(g: Architecture, parent: Architecture | None, title: str) -> Markup:
    """Draw the diagram of g, compared with its parent, for a page that has the style once."""
    return Markup(diagram(g, parent, title, style=""))
