"""How long a function takes on one core, where other programs may use the core as well.

The time is the least over several blocks of runs, in seconds of the processor and not of the clock:
other programs can make a run longer and never shorter, and while they have the core, the seconds of
the processor stand still. On a quiet machine both are the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PASSES = 10  # blocks of runs
BLOCK = 0.004  # seconds of a block


def block_seconds(run: Callable[[], object], least: float = BLOCK) -> float:
    """Return the seconds of one run: the mean over a block of runs that follow one another.

    Args:
        run: what is measured; it runs once before, because caches hold other things.
        least: seconds of the block, about.
    """
    run()
    count = max(1, round(least / max(_seconds(run, 1), 1e-7)))
    return _seconds(run, count) / count


def _seconds(run: Callable[[], object], count: int) -> float:
    began = time.thread_time()
    for _ in range(count):
        run()
    return time.thread_time() - began
