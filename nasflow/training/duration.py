"""How far a training has come, where it lasts a number of steps or of seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

GUESS = 1000.0  # steps, before the first one has been timed


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() - self._began


class Pace:
    """Either `steps`, or `seconds` on a clock that a training which goes on finds where it left it.
    By seconds the share done is that of the time, so that a cosine ends when the time does, however
    the machine's speed changes."""

    def __init__(self, steps: int | None, seconds: float | None, clock: Callable[[], float]):
        assert (steps is None) != (seconds is None)
        self._steps, self._seconds, self._clock = steps, seconds, clock

    def total(self, k: int) -> float:
        """Steps that it will have had, as it looks after k of them; more than k until the end. By
        seconds at least one."""
        if self._seconds is None:
            return float(self._steps or 0)
        passed = self._clock()
        return GUESS if not k else k * max(self._seconds, 0.0) / max(passed, 1e-9)
