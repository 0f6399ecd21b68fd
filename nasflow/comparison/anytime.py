"""The best validation accuracy that a search has reached, over seconds and over epochs.

Such a curve is called an anytime curve: it shows what a search would give if it were stopped then.

Seconds and epochs count from the start of pretraining. An epoch is one pass over the training
images; the epochs of all networks of a round are added up. The points of a curve are the moments
at which a stage measured the whole validation split: ten in pretraining, one at the end of each
round, and ten in the final training. Within a stage the seconds are assumed to grow evenly with
the steps, since the records hold no time for single steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nasflow.particles.flow import Matrix, Vector
from nasflow.records import curves
from nasflow.storage.files import read_json

Look = tuple[float, float, float]  # one measurement: seconds, epochs, validation accuracy


class Curve(NamedTuple):
    """The anytime curve of one search: vectors of one length, in the order of time.

    Attributes:
        seconds: seconds from the start of pretraining to each measurement.
        epochs: epochs from the start of pretraining, all networks added up.
        best: the best validation accuracy up to then, between 0 and 1; it never falls.
        pretrained: index of the last measurement of pretraining. Methods differ only after it.
    """

    seconds: Vector
    epochs: Vector
    best: Vector
    pretrained: int = 0


def of_search(search: Path, *, final: bool = True) -> Curve:
    """Read the curve of a finished search from its records.

    Args:
        search: the folder of the search, results/experiment/method/seed_s.
        final: whether the final training belongs to the curve. Set it to False where the final
            training also trains on the validation images: its accuracy on them says nothing.
    """
    before = list(_training(search / "pretrain", 0.0, 0.0))
    looks = [*before, *_rounds(search), *(_final(search) if final else ())]
    seconds, epochs, accuracy = np.array(looks).T
    return Curve(seconds, epochs, np.maximum.accumulate(accuracy), len(before) - 1)


def at(axis: Vector, best: Vector, grid: Vector) -> Vector:
    """Read a curve, which is a step function, at the points of a grid.

    Args:
        axis: seconds or epochs of the measurements (n,), ascending.
        best: the best accuracy up to each measurement (n,).
        grid: points on the same axis (points,).

    Returns:
        The best accuracy known at each point (points,), NaN before the first measurement.
    """
    place = np.searchsorted(axis, grid, side="right") - 1
    return np.where(place >= 0, best[np.maximum(place, 0)], np.nan)


def together(axes: Sequence[Vector], bests: Sequence[Vector], grid: Vector) -> Matrix:
    """Read the curves of several seeds on one grid.

    Args:
        axes: for each seed its seconds or epochs (n,).
        bests: for each seed the best accuracy up to then (n,).
        grid: points on the same axis (points,).

    Returns:
        The best accuracy (seeds, points). After its end a curve keeps its last value.
    """
    return np.array([at(a, b, grid) for a, b in zip(axes, bests, strict=True)])


def _final(search: Path) -> Iterator[Look]:
    spent = read_json(search / "search" / "summary.json")["spent"]
    yield from _training(search / "final", spent["seconds"], spent["epochs"])


def _training(folder: Path, seconds: float, epochs: float) -> Iterator[Look]:
    status = read_json(folder / "status.json")
    if not status["steps"]:
        yield seconds + status["seconds"], epochs, status["validation_accuracy"]
    for row in curves.table(folder, status, "history.parquet").to_pylist():
        if row["validation_accuracy"] is not None:
            progress = row["step"] / status["steps"]
            passed = seconds + progress * status["seconds"]
            yield passed, epochs + row["epoch"], row["validation_accuracy"]


def _rounds(search: Path) -> Iterator[Look]:
    """Only the rounds that the search counts: folders of older rounds may stand beside them."""
    before = read_json(search / "pretrain" / "status.json")
    count = read_json(search / "search" / "summary.json")["rounds"]
    for number, path in curves.rounds(search).items():
        if number <= count:
            status = read_json(path)
            totals = status["totals"]
            yield (
                before["seconds"] + totals["seconds"],
                before["epochs"] + totals["network_epochs"],
                status["validation_accuracy"],
            )
