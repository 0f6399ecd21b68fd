"""How long a training lasts, in steps or in seconds, and how far it has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from nasflow.config.training import Final, Pretrain

GUESS = 1000.0  # the estimate of the total number of steps before the first one is timed


class Spent(NamedTuple):
    """What pretraining and search took of a budget that covers the final training, too.

    Attributes:
        epochs: passes over the training images, those of all networks added up.
        seconds: seconds of wall clock.
        share: part of what is left that this training gets; 1 where there is no other one.
    """

    epochs: float
    seconds: float
    share: float = 1.0


class Length(NamedTuple):
    """How long a training lasts: in steps or in seconds. The other one is None.

    Attributes:
        steps: the number of training steps.
        seconds: the seconds of wall clock.
    """

    steps: int | None
    seconds: float | None


def length(
    stage: Pretrain | Final, images: int, flops: int, spent: Spent | None = None, teacher: int = 0
) -> Length:
    """Tell how long a stage trains.

    Args:
        stage: the section of the stage. It sets a number of epochs, a compute budget, or a total
            that pretraining, search and final training spend together.
        images: number of training images.
        flops: FLOPs of a forward pass of the network, per image.
        spent: what pretraining and search took; needed where the section sets a total.
        teacher: FLOPs of a forward pass of the network that teaches, per image; 0 without one.

    Returns:
        The steps, at least 1 unless the stage trains 0 epochs; or the seconds. A compute budget is
        divided by 3 x forward FLOPs x images per step, since the backward pass costs twice the
        forward one. A teacher adds one forward pass of its own.

    Raises:
        ValueError: if the section sets a total and `spent` is missing.
    """
    per_epoch = images // stage.batch_size
    epochs = stage.epochs
    if isinstance(stage, Final) and stage.flops is not None:
        per_image = 3.0 * flops + teacher
        return Length(max(1, round(stage.flops / (per_image * stage.batch_size))), None)
    if isinstance(stage, Final) and spent is not None and stage.total_seconds is not None:
        return Length(None, spent.share * (stage.total_seconds - spent.seconds))
    if isinstance(stage, Final) and spent is not None and stage.total_epochs is not None:
        epochs = max(1.0 / per_epoch, spent.share * (stage.total_epochs - spent.epochs))
    if epochs is None:
        raise ValueError("final.epochs: null; expected a length that does not need the search")
    return Length(max(1, round(epochs * per_epoch)) if epochs else 0, None)


class Stopwatch:
    """A function without arguments that tells the seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() - self._began


class Pace:
    """Estimates how many steps a training will have in all.

    Where the length is given in steps, the estimate is that number. Where it is given in seconds,
    the estimate follows from the speed so far. The cosine of the step size then ends when the time
    is over, even if the machine becomes faster or slower.

    Args:
        length: steps or seconds.
        elapsed: tells how many seconds have passed; a training that goes on after a crash counts
            those of the earlier attempts too.
    """

    def __init__(self, length: Length, elapsed: Callable[[], float]):
        assert (length.steps is None) != (length.seconds is None)
        self._length, self._elapsed = length, elapsed

    def total(self, k: int) -> float:
        """Estimate the total number of steps, given that k are done.

        The estimate is larger than k until the training ends. A training whose length is given in
        seconds makes at least one step."""
        if self._length.seconds is None:
            return float(self._length.steps or 0)
        passed = self._elapsed()
        return GUESS if not k else k * max(self._length.seconds, 0.0) / max(passed, 1e-9)
