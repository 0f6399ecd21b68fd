"""What all charts have in common: figures, colours, and figures as pictures.

Each figure is made from records by one function. It has no width and no theme, so that the report
can fit it to a screen and MLflow can keep it as PNG. Its data are thinned and rounded to what an
eye can tell apart; the tables beside it in the report show the numbers of the records.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt

Row = dict[str, Any]
Chart = alt.Chart | alt.LayerChart | alt.FacetChart

DIGITS = 5  # significant digits of the numbers in a chart
PARENT, WINNER = "#8b95a7", "#16a34a"
CHILDREN = (
    *("#4c78a8", "#f58518", "#b279a2", "#e45756", "#3aa6a0", "#d6a90f", "#9d755d", "#ff8fa3"),
    *("#6b6ecf", "#c0693a", "#8ca252", "#bd6bb0", "#5bb3e5", "#a05d56", "#d0743c", "#7b4173"),
)
FOCUS = "focus"  # parameter that the legend of a page sets: the name of the child that stands out
WIDTH, HEIGHT = 640, 240


class Figure(NamedTuple):
    """A Vega-Lite specification, and apart from it the tables that it names.

    They are apart because altair checks its input against a schema, which takes 5 s for the rows of
    one chart and no time for their name.

    Attributes:
        spec: the specification, without data.
        data: the rows of each table, by the name that the specification has for it.
    """

    spec: dict[str, Any]
    data: Mapping[str, Sequence[Row]]

    @property
    def whole(self) -> dict[str, Any]:
        """The specification with the data inside."""
        return {**self.spec, "datasets": dict(self.data)}


def on(name: str = "rows") -> alt.Chart:
    """Begin a chart of the table with this name."""
    return alt.Chart(alt.NamedData(name=name))


def figure(chart: Chart, description: str, height: int = HEIGHT, **data: Sequence[Row]) -> Figure:
    """Make a figure of an Altair chart.

    Args:
        chart: the chart, which names its tables.
        description: what a screen reader says about the chart.
        height: height in pixels.
        data: the rows of each table that the chart names.
    """
    return Figure(chart.properties(description=description, height=height).to_dict(), data)


def colours(names: Sequence[str], winner: int) -> list[str]:
    """Choose a colour for each network: the parent grey, the winner green, the others in turn.

    Args:
        names: the names of the networks, the parent first.
        winner: the number of the child that won; 0 where none did.
    """
    found = [PARENT, *(CHILDREN[i % len(CHILDREN)] for i in range(len(names) - 1))]
    if winner:
        found[winner] = WINNER
    return found


def rounded(value: float | None) -> float | None:
    """Round to DIGITS significant digits; None stands for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


def child_colour(scale: Mapping[str, str], title: str = "network") -> alt.Color:
    """Encode the column `child` by the colours in `scale` (name of a network -> colour)."""
    fixed = alt.Scale(domain=list(scale), range=list(scale.values()))
    return alt.Color(
        "child:N", scale=fixed, title=title, legend=alt.Legend(symbolOpacity=1, symbolType="square")
    )


def faded(full: float) -> Any:
    """Encode an opacity: `full`, but almost transparent where another network has the focus."""
    test = f"{FOCUS} == '' || {FOCUS} == datum.child"
    return alt.condition(test, alt.value(full), alt.value(0.08))


def focus() -> alt.Parameter:
    """Make the parameter that a page sets to the name of the network that stands out."""
    return alt.param(name=FOCUS, value="")


def png(figure: Figure, scale: float = 2.0) -> bytes:
    """Draw a figure as PNG, without a browser or a display; bit for bit the same on one machine.

    Args:
        figure: the figure; it is drawn WIDTH points wide.
        scale: pixels per point.
    """
    import vl_convert

    return bytes(vl_convert.vegalite_to_png({**figure.whole, "width": WIDTH}, scale=scale))
