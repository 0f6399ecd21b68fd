"""The chapter of a front in the report: its networks as a table, as charts and as a CSV file."""

from __future__ import annotations

import base64
from typing import NamedTuple

from nasflow.charts.charts import Figure
from nasflow.charts.front_charts import figures
from nasflow.config.kinds import Stored
from nasflow.records.front import COSTS, Front, Network, table
from nasflow.records.pareto import pareto, sentences

CAPTIONS = {
    "flash": "Accuracy against flash",
    "parameters": "Accuracy against parameters",
    "flops": "Accuracy against FLOPs",
    "ram": "Accuracy against RAM",
    "latency": "Accuracy against latency",
}


class FrontChapter(NamedTuple):
    """What the report shows of a front.

    Attributes:
        front: the networks.
        sentences: what they offer, in words.
        rows: each network with the costs on whose front it is.
        plots: the id and the caption of each chart.
        latency: whether the latency of a network was measured.
        csv: the table as a data URI.
    """

    front: Front
    sentences: list[str]
    rows: list[tuple[Network, list[str]]]
    plots: list[tuple[str, str]]
    latency: bool
    csv: str


def front_chapter(found: Front | None, key: str, charts: dict[str, Figure]) -> FrontChapter | None:
    """Make the chapter of a front; None where the search has none.

    Args:
        found: the front.
        key: the id of its search in the page.
        charts: the charts of the page by their ids, to which those of the front are added.
    """
    if found is None:
        return None
    drawn = figures(found.networks)
    ids = {cost: f"{key}-front-{cost}" for cost in drawn}
    charts.update({ids[cost]: chart for cost, chart in drawn.items()})
    best = {cost: pareto(found.networks, cost, Stored.INT8) for cost in COSTS}
    rows = [(one, [cost for cost in COSTS if one in best[cost]]) for one in found.networks]
    content = base64.b64encode(table(found.search)).decode()
    return FrontChapter(
        found,
        sentences(found),
        rows,
        [(ids[cost], CAPTIONS[cost]) for cost in drawn],
        "latency" in drawn,
        f"data:text/csv;charset=utf-8;base64,{content}",
    )
