"""What a peer's search may spend, and what it has spent: seconds of wall clock or epochs of all its
networks, as in `budget` and `final` of the configuration."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from nasflow.config.experiment import Experiment


class Limit(NamedTuple):
    """Of the search alone; what it leaves of the total goes to the final training."""

    unit: str  # "seconds" or "epochs"
    search: float
    total: float


class Spent(Exception):
    """The search's budget ended inside a training."""


def limit(experiment: Experiment) -> Limit:
    """What `compare` gives a search of this experiment; ValueError where it gives no equal budget.
    A peer that needs no pretraining has the time for it in its final training."""
    final, budget = experiment.final, experiment.budget
    if final.total_seconds is not None:
        unit, total, search = "seconds", final.total_seconds, budget.seconds
    elif final.total_epochs is not None:
        unit, total, search = "epochs", final.total_epochs, budget.network_epochs
    else:
        raise ValueError(
            "final.total_seconds: null; peers need a total budget, set it or final.total_epochs "
            "as config/compare.yaml does"
        )
    key = "seconds" if unit == "seconds" else "network_epochs"
    if search is None:
        raise ValueError(f"budget.{key}: null; expected the {unit} that the search may take")
    if search >= total:
        raise ValueError(
            f"budget.{key}: {search:g}; expected less than final.total_{unit}, {total:g}, "
            "or nothing is left for the final training"
        )
    return Limit(unit, search, total)


class Meter:
    """Counts steps, and seconds since `began`."""

    def __init__(
        self,
        limit: Limit,
        steps_per_epoch: int,
        began: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit, self._length, self._began, self._clock = limit, steps_per_epoch, began, clock
        self.steps = 0

    @property
    def seconds(self) -> float:
        return self._clock() - self._began

    @property
    def epochs(self) -> float:
        return self.steps / self._length

    @property
    def left(self) -> float:
        """In the limit's unit; below zero where more was spent."""
        return self.limit.search - (self.seconds if self.limit.unit == "seconds" else self.epochs)

    def count(self, done: int, of: int, note: str) -> None:
        """The callback of `train` where one more step is done."""
        self.steps += 1

    def hold(self, done: int, of: int, note: str) -> None:
        """The same, with an end: Spent at the step that meets the limit before the last one."""
        self.steps += 1
        if done < of and self.left <= 0.0:
            raise Spent
