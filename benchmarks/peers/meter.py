"""What the search of a peer may spend, and what it has spent.

It is counted in seconds of wall time, or in epochs of all networks together, as in the sections
`budget` and `final` of the configuration.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from nasflow.config.experiment import Experiment


class Limit(NamedTuple):
    """What may be spent.

    Attributes:
        unit: `seconds` or `epochs`.
        search: what the search may spend.
        total: what search and final training may spend together. The final training gets what the
            search leaves.
    """

    unit: str
    search: float
    total: float


class Spent(Exception):
    """Raised inside a training when the budget of the search has ended."""


def limit(experiment: Experiment) -> Limit:
    """Find what the target `compare` lets a search of this experiment spend.

    A peer that needs no pretraining has more time for its final training instead.

    Raises:
        ValueError: if the experiment does not give all searches an equal budget.
    """
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
    """Counts steps, and seconds since `began`.

    Args:
        limit: what may be spent.
        steps_per_epoch: the number of steps in one epoch.
        began: the time at which the search began, as `now` tells it.
        now: tells the time in seconds.
    """

    def __init__(
        self,
        limit: Limit,
        steps_per_epoch: int,
        began: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit, self._length, self._began, self._now = limit, steps_per_epoch, began, now
        self.steps = 0

    @property
    def seconds(self) -> float:
        return self._now() - self._began

    @property
    def epochs(self) -> float:
        return self.steps / self._length

    @property
    def left(self) -> float:
        """What is left for the search, in the unit of the limit; negative if more was spent."""
        return self.limit.search - (self.seconds if self.limit.unit == "seconds" else self.epochs)

    def count(self, done: int, of: int, note: str) -> None:
        """Count one more step; `train` takes this as its callback."""
        self.steps += 1

    def hold(self, done: int, of: int, note: str) -> None:
        """Count one more step, and raise Spent if the budget has ended before the last step."""
        self.steps += 1
        if done < of and self.left <= 0.0:
            raise Spent
