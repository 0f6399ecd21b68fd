"""What all charts share: figures, colours, pictures of them.

A figure is made by a function from records, without a size or a theme, so that the report can fit
it to a screen and MLflow can have it as PNG. Its data are thinned and rounded to what an eye can
tell apart; the tables beside it have the records' own numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt

Row = dict[str, Any]
Chart = alt.Chart | alt.LayerChart | alt.FacetChart

DIGITS = 5
PARENT, WINNER = "#8b95a7", "#16a34a"
CHILDREN = (
    *("#4c78a8", "#f58518", "#b279a2", "#e45756", "#3aa6a0", "#d6a90f", "#9d755d", "#ff8fa3"),
    *("#6b6ecf", "#c0693a", "#8ca252", "#bd6bb0", "#5bb3e5", "#a05d56", "#d0743c", "#7b4173"),
)
FOCUS = "focus"  # of a page's legend: the name of the child that stands out
WIDTH, HEIGHT = 640, 240


class Figure(NamedTuple):
    """A Vega-Lite specification, and its tables by the names that it has for them: altair checks
    what it is given against a schema, 5 s for the rows of one chart, none for their name."""

    spec: dict[str, Any]
    data: Mapping[str, Sequence[Row]]

    @property
    def whole(self) -> dict[str, Any]:
        """With its data inside."""
        return {**self.spec, "datasets": dict(self.data)}


def on(name: str = "rows") -> alt.Chart:
    """A chart on the table of that name."""
    return alt.Chart(alt.NamedData(name=name))


def figure(chart: Chart, description: str, height: int = HEIGHT, **data: Sequence[Row]) -> Figure:
    """`description`: what a screen reader says."""
    return Figure(chart.properties(description=description, height=height).to_dict(), data)


def colours(names: Sequence[str], winner: int) -> list[str]:
    """The parent grey, the child that won green, the others by turns."""
    found = [PARENT, *(CHILDREN[i % len(CHILDREN)] for i in range(len(names) - 1))]
    if winner:
        found[winner] = WINNER
    return found


def rounded(value: float | None) -> float | None:
    """To DIGITS significant digits; None where there is no number."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


def child_colour(scale: Mapping[str, str], title: str = "network") -> alt.Color:
    """Name of a sibling -> its colour."""
    fixed = alt.Scale(domain=list(scale), range=list(scale.values()))
    return alt.Color(
        "child:N", scale=fixed, title=title, legend=alt.Legend(symbolOpacity=1, symbolType="square")
    )


def faded(full: float) -> Any:
    """Opacity: `full`, less where another child has the focus."""
    test = f"{FOCUS} == '' || {FOCUS} == datum.child"
    return alt.condition(test, alt.value(full), alt.value(0.08))


def focus() -> alt.Parameter:
    return alt.param(name=FOCUS, value="")


def png(figure: Figure, scale: float = 2.0) -> bytes:
    """As a picture, without a browser or a display; the same bytes each time on one machine."""
    import vl_convert

    return bytes(vl_convert.vegalite_to_png({**figure.whole, "width": WIDTH}, scale=scale))
