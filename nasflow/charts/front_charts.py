"""The charts of a front: validation accuracy against each cost of a network, on a log scale.

They can be read without colours: the Pareto front is a line of steps, a network on it is a filled
mark, another one a hollow mark, and the network that the search found is a diamond.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import altair as alt

from nasflow.charts.charts import Chart, Figure, Row, figure, on, rounded
from nasflow.config.kinds import Stored
from nasflow.printable import printable
from nasflow.records.front import Network
from nasflow.records.pareto import pareto

LINE = "#4c78a8"
TITLES = {
    "flash": "flash in int8, bytes",
    "parameters": "parameters",
    "flops": "FLOPs for one image",
    "ram": "RAM in int8, bytes",
    "latency": "latency in int8, ms",
}
NAMED = 24  # characters of a name in a chart, at most
TICKS = 6  # on an axis, at most
# A chart in the report is about so large, in points; the places of names are chosen for this size.
PLOT, LETTER, LINE_HEIGHT, MARK, GAP = (300.0, 190.0), 6.0, 12.0, 7.0, 9.0
MARGIN = 0.16  # of the range of the points, on each side of them
# How a name stands beside its point: the anchor, and the shift in points.
PLACES: dict[str, dict[str, Any]] = {
    "above": {"align": "center", "baseline": "bottom", "dy": -GAP},
    "right": {"align": "left", "baseline": "middle", "dx": GAP},
    "below": {"align": "center", "baseline": "top", "dy": GAP},
    "left": {"align": "right", "baseline": "middle", "dx": -GAP},
    "low right": {"align": "left", "baseline": "top", "dx": 3.0, "dy": GAP},
}


Spot = tuple[float, float]  # a place in a chart, in points from its lower left corner


class Box(NamedTuple):
    """A rectangle in a chart, in points from its lower left corner."""

    left: float
    low: float
    right: float
    high: float

    def overlap(self, other: Box) -> float:
        """Return the area that two rectangles have in common."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.high, other.high) - max(self.low, other.low)
        return max(0.0, width) * max(0.0, height)


def figures(networks: Sequence[Network]) -> dict[str, Figure]:
    """Draw a chart for each cost that is known of at least one network.

    Args:
        networks: the networks of a front.

    Returns:
        The charts by their keys in TITLES: flash (parameters where no flash is known), flops, ram
        and latency.
    """
    flash = "flash" if any(one.flash_int8 for one in networks) else "parameters"
    made = {}
    for cost in (flash, "flops", "ram", "latency"):
        known = [(value, one) for one in networks if (value := one.cost(cost, Stored.INT8))]
        if known:
            made[cost] = _figure(cost, known)
    return made


def _figure(cost: str, known: Sequence[tuple[float, Network]]) -> Figure:
    x = _domain([math.log10(value) for value, _ in known], 0.04)
    y = _domain([one.validation_accuracy for _, one in known], 0.002)
    best = pareto([one for _, one in known], cost)
    names = [_short(one.name) for _, one in known]
    rows: list[Row] = [
        {
            "name": name,
            "cost": rounded(value),
            "accuracy": one.validation_accuracy,
            "front": one in best,
            "found": one.found,
        }
        for (value, one), name in zip(known, names, strict=True)
    ]
    edges = (10.0 ** x[0], 10.0 ** x[1])
    steps = _steps(rows, edges[1])
    spots, corners = ([_spot(row, x, y) for row in part] for part in (rows, steps))
    sides = [{"place": place} for place in placed(spots, names, corners)]
    rows = [row | side for row, side in zip(rows, sides, strict=True)]
    words = f"Validation accuracy against {TITLES[cost]}, with the Pareto front"
    return figure(_chart(cost, edges, y), words, rows=rows, steps=steps)


def _spot(row: Row, x: tuple[float, float], y: tuple[float, float]) -> Spot:
    """The place of a row in a chart of the size PLOT, in points from the lower left corner."""
    along = (math.log10(row["cost"]) - x[0]) / (x[1] - x[0])
    up = (row["accuracy"] - y[0]) / (y[1] - y[0])
    return along * PLOT[0], up * PLOT[1]


def _steps(rows: Sequence[Row], end: float) -> list[Row]:
    """The corners of the front's line, which goes on to the right edge of the chart."""
    found = sorted((row["cost"], row["accuracy"]) for row in rows if row["front"])
    corners = [{"cost": cost, "accuracy": accuracy} for cost, accuracy in found]
    return [*corners, {"cost": rounded(end), "accuracy": corners[-1]["accuracy"]}]


def _chart(cost: str, edges: tuple[float, float], y: tuple[float, float]) -> Chart:
    form = ".3~g" if cost == "latency" else "~s"
    across = alt.X(
        "cost:Q",
        title=TITLES[cost],
        scale=alt.Scale(type="log", domain=list(edges), nice=False),
        axis=alt.Axis(values=ticks(*edges), format=form, grid=False, labelFlush=False),
    )
    up = alt.Y(
        "accuracy:Q",
        title="validation accuracy",
        scale=alt.Scale(domain=list(y), nice=False, zero=False),
        axis=alt.Axis(format="~%", tickCount=5),
    )
    line = on("steps").mark_line(interpolate="step-after", strokeWidth=2, color=LINE)
    base = on().encode(x=across, y=up)
    layers = [line.encode(x=across, y=up), *_marks(base, cost), *_names(base)]
    return alt.layer(*layers)


def _marks(base: alt.Chart, cost: str) -> Iterator[alt.Chart]:
    shape = alt.Scale(domain=[False, True], range=["circle", "diamond"])
    for full in (False, True):
        points = base.transform_filter(alt.datum.front == full)
        yield points.mark_point(
            filled=full, size=90, opacity=1, color=LINE, strokeWidth=1.8
        ).encode(
            shape=alt.Shape("found:N", scale=shape, legend=None),
            tooltip=[
                alt.Tooltip("name:N", title="network"),
                alt.Tooltip("accuracy:Q", title="validation accuracy", format=".2%"),
                alt.Tooltip("cost:Q", title=TITLES[cost], format=",.4~r"),
                alt.Tooltip("front:N", title="on the front"),
            ],
        )


def _names(base: alt.Chart) -> Iterator[alt.Chart]:
    for place, anchor in PLACES.items():
        beside = base.transform_filter(alt.datum.place == place)
        yield beside.mark_text(fontSize=11, **anchor).encode(text="name:N")


def placed(spots: Sequence[Spot], names: Sequence[str], corners: Sequence[Spot]) -> list[str]:
    """Choose the side of each point on which its name hides least.

    The names take their sides one after another; each one takes the first side on which it covers
    least of the points, of the line and of the names before it, and least of it is outside the
    chart.

    Args:
        spots: the points, in a chart of the size PLOT.
        names: the name of each point.
        corners: the upper corners of the line of steps.

    Returns:
        A key of PLACES for each point.
    """
    taken = [Box(a - MARK, b - MARK, a + MARK, b + MARK) for a, b in spots]
    for (a, b), (c, d) in pairwise(corners):
        taken += [Box(a, b - 1.0, c, b + 1.0), Box(c - 1.0, b, c + 1.0, d)]
    found = []
    for (a, b), name in zip(spots, names, strict=True):
        boxes = {place: _box(a, b, name, place) for place in PLACES}
        hidden = {place: _hidden(box, taken) for place, box in boxes.items()}
        place = min(PLACES, key=lambda key: hidden[key])
        found.append(place)
        taken.append(boxes[place])
    return found


def _hidden(box: Box, taken: Iterable[Box]) -> float:
    """The area of a name that covers something or lies outside the chart."""
    inside = box.overlap(Box(0.0, 0.0, *PLOT))
    outside = (box.right - box.left) * (box.high - box.low) - inside
    return round(outside + sum(box.overlap(other) for other in taken), 3)


def _box(a: float, b: float, name: str, place: str) -> Box:
    width, half = LETTER * len(name), LINE_HEIGHT / 2
    if place in ("left", "right"):
        left = a + GAP if place == "right" else a - GAP - width
        return Box(left, b - half, left + width, b + half)
    if place == "low right":
        return Box(a + 3.0, b - GAP - LINE_HEIGHT, a + 3.0 + width, b - GAP)
    low = b + GAP if place == "above" else b - GAP - LINE_HEIGHT
    return Box(a - width / 2, low, a + width / 2, low + LINE_HEIGHT)


def _domain(values: Sequence[float], least: float) -> tuple[float, float]:
    """The ends of an axis: those of the values, with a margin of `least` or more."""
    low, high = min(values), max(values)
    margin = max(least, MARGIN * (high - low))
    return low - margin, high + margin


def ticks(low: float, high: float) -> list[float]:
    """Choose round numbers for the ticks of a logarithmic axis.

    Args:
        low: the lower end of the axis, above 0.
        high: the upper end.

    Returns:
        Powers of ten times 1, 2 and 5 between the ends. Where the axis is short, other numbers with
        one, two or three digits as well; where it is long, fewer of them. They are TICKS at most.
    """
    powers = range(math.floor(math.log10(low)) - 2, math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    fine = (range(100, 1000), range(10, 100), range(10, 100, 5))
    for leads in (*fine, range(1, 10), (1, 2, 5), (1, 3), (1,)):
        every = {float(f"{lead}e{power}") for power in powers for lead in leads}
        found = sorted(value for value in every if low <= value <= high)
        if len(found) <= TICKS:
            return found
    return found[:: math.ceil(len(found) / TICKS)]


def _short(name: str) -> str:
    plain = printable(name)
    return plain if len(plain) <= NAMED else f"{plain[: NAMED - 1]}…"
