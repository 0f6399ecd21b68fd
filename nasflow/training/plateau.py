"""When a training has stopped improving, and how its step size falls to its end from there.

Under a step size that falls over the whole training, a flat validation loss alone is no reason to
stop: much of the gain comes while the step size falls. So at a plateau the training does not end at
once. The rest of its schedule is run through in DECAY of the steps made so far. (A decay over a
fifth of a training at a constant step size gives what a cosine over all of it gives, Haegele et al.
2024, arXiv 2405.18392.)
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

GAIN = 0.01  # part of the lowest loss by which a loss must be lower to count as an improvement
DECAY = 0.2  # steps of the decay, as a fraction of the steps before it


class Decay(NamedTuple):
    """The end of a training that has reached a plateau.

    Attributes:
        step: how many steps were made at the plateau.
        progress: how far the schedule was then, between 0 and 1.
        end: how many steps the training has now.
        planned: how many steps it would have had, by the estimate at the plateau.
    """

    step: int
    progress: float
    end: int
    planned: float

    def at(self, done: int, total: float) -> float:
        """Return how far the schedule is after `done` of `total` steps, between 0 and 1."""
        left = max(total - self.step, 1.0)
        return self.progress + (1.0 - self.progress) * min((done - self.step) / left, 1.0)


class Plateau:
    """Looks for a plateau of the validation loss.

    Args:
        patience: evaluations in a row without an improvement.
    """

    def __init__(self, patience: int) -> None:
        self._patience, self._best, self._waited = patience, math.inf, 0

    def reached(self, loss: float) -> bool:
        """Take over the loss of an evaluation, and tell whether this is a plateau."""
        if loss < self._best * (1.0 - GAIN):
            self._best, self._waited = loss, 0
        else:
            self._waited += 1
        return self._waited >= self._patience

    def remember(self) -> list[Any]:
        """Return the state as plain data."""
        return [self._best if math.isfinite(self._best) else None, self._waited]

    def recall(self, kept: list[Any]) -> None:
        """Continue from what `remember` returned."""
        self._best, self._waited = math.inf if kept[0] is None else kept[0], kept[1]


def decay(step: int, total: float) -> Decay | None:
    """Plan the end of a training that has reached a plateau.

    Args:
        step: how many steps were made.
        total: how many there would be in all.

    Returns:
        The end; None where the rest of the training is no longer than the decay.
    """
    end = step + max(1, math.ceil(DECAY * step))
    return Decay(step, step / total, end, total) if end < total else None
