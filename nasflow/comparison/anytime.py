"""The best validation accuracy that a search has reached, against seconds and against epochs.

Seconds and epochs count from the start of pretraining; epochs are passes over the training images,
those of all networks of a round added up. A stage shows its looks at the whole validation split:
ten in pretraining and ten in the final training, one at the end of a round. Within a stage time
goes evenly with steps: the records hold no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nasflow.particles.flow import Matrix, Vector
from nasflow.records import curves
from nasflow.storage.files import read_json

Look = tuple[float, float, float]  # seconds, epochs, validation accuracy


class Curve(NamedTuple):
    """Vectors of one length in the order of time; `best` never falls. Look `pretrained` is the last
    of pretraining, from where on methods differ."""

    seconds: Vector
    epochs: Vector
    best: Vector
    pretrained: int = 0


def of_search(search: Path, *, final: bool = True) -> Curve:
    """The curve of a finished search. Without `final` it ends with the rounds: a final training
    that sees the validation images says nothing there."""
    before = list(_training(search / "pretrain", 0.0, 0.0))
    looks = [*before, *_rounds(search), *(_final(search) if final else ())]
    seconds, epochs, accuracy = np.array(looks).T
    return Curve(seconds, epochs, np.maximum.accumulate(accuracy), len(before) - 1)


def at(axis: Vector, best: Vector, grid: Vector) -> Vector:
    """The best known at each point of the grid, NaN before the first look: a step function."""
    place = np.searchsorted(axis, grid, side="right") - 1
    return np.where(place >= 0, best[np.maximum(place, 0)], np.nan)


def together(axes: Sequence[Vector], bests: Sequence[Vector], grid: Vector) -> Matrix:
    """Curves of several seeds on one grid, (seeds, points). A curve that has ended stays."""
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
            share = row["step"] / status["steps"]
            passed = seconds + share * status["seconds"]
            yield passed, epochs + row["epoch"], row["validation_accuracy"]


def _rounds(search: Path) -> Iterator[Look]:
    """Only the rounds that the search counts: older ones may stand beside them."""
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
