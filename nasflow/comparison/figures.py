"""The figures of a comparison as PNG: the anytime curves, and the errors of all runs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from nasflow.comparison.anytime import Curve, together

POINTS = 400
AXES = {
    "seconds": "seconds since the start of pretraining",
    "epochs": "epochs since the start of pretraining, all networks added up",
}


def anytime(curves: Mapping[str, Sequence[Curve]]) -> bytes:
    """Draw the best validation accuracy over seconds and over epochs, after pretraining.

    Args:
        curves: the curves of each method, one for each seed.

    Returns:
        A PNG with two panels. A line is the mean over the seeds; its band reaches from the worst
        seed to the best.
    """
    figure = Figure(figsize=(12, 4.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (unit, label) in zip(panels, AXES.items(), strict=True):
        _panel(axes, curves, unit)
        axes.set_xlabel(label)
    panels[0].set_ylabel("best validation accuracy so far, %")
    panels[1].legend(loc="lower right", fontsize=8)
    return png(figure)


def errors(table: pd.DataFrame) -> bytes:
    """Draw the test error of every run and the mean of each method.

    Args:
        table: the runs as `tables.runs` returns them; `test_error` lies between 0 and 1.

    Returns:
        A PNG with one row of dots for each method.
    """
    methods = list(table.method.unique())
    figure = Figure(figsize=(8, 0.35 * len(methods) + 1.2), layout="constrained")
    axes = figure.subplots()
    dots(axes, table)
    axes.set_xlabel("test error, % (one dot per seed; the vertical line is their mean)")
    return png(figure)


def dots(axes: Axes, table: pd.DataFrame) -> None:
    """Draw one row of dots for each method: its test errors in per cent, and their mean.

    Args:
        axes: where to draw.
        table: the runs; `test_error` lies between 0 and 1.
    """
    methods = list(table.method.unique())
    for place, name in enumerate(methods):
        values = 100.0 * table[table.method == name].test_error.to_numpy()
        own = colour(place, len(methods))
        axes.plot(values, np.full(len(values), place), "o", color=own, alpha=0.6)
        axes.plot(values.mean(), place, "|", color="black", markersize=14)
    axes.set_yticks(range(len(methods)), methods)
    axes.set_ylim(len(methods) - 0.4, -0.6)  # the first on top, and no dot touches the frame
    axes.grid(axis="x", alpha=0.3)


def _panel(axes: Axes, curves: Mapping[str, Sequence[Curve]], unit: str) -> None:
    every = [(getattr(c, unit), c.pretrained) for found in curves.values() for c in found]
    first, last = max(a[i] for a, i in every), max(a[-1] for a, _ in every)
    grid = np.geomspace(max(first, 1e-3), max(last, first, 2e-3), POINTS)
    for place, (name, found) in enumerate(curves.items()):
        values = 100.0 * together([getattr(c, unit) for c in found], [c.best for c in found], grid)
        known = np.isfinite(values).all(0)
        x, y = grid[known], values[:, known]
        own = colour(place, len(curves))
        axes.step(x, y.mean(0), where="post", label=name, color=own, linewidth=1.4)
        axes.fill_between(x, y.min(0), y.max(0), step="post", color=own, alpha=0.12)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)


def colour(place: int, count: int) -> Any:
    """Return the colour of a method, given its place among `count` methods."""
    return mpl.colormaps["tab10"](place) if count <= 10 else mpl.colormaps["tab20"](place % 20)


def png(figure: Figure) -> bytes:
    """Return a figure as PNG; the same figure gives the same bytes."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    return content.getvalue()
