"""How long a call has waited for something outside this process: a server, a lock, a disk.

Seconds in which a thread of this process computes do not count as waiting. Neither do seconds in
which it could compute but gets no processor: on a busy machine work takes longer, and that does not
mean that a server is away. Linux counts both for each thread (/proc/self/task/*/schedstat holds the
nanoseconds on a processor and in the queue for one). On other systems only the first is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

LOOK = 0.05  # seconds between two looks at the call
TASKS = Path("/proc/self/task")


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what a call returns, unless it waits for too long.

    The call runs in a thread, because SQLite waits for a lock where no signal reaches it. A thread
    that waits for too long is left behind and ends with the process.

    Args:
        seconds: how long the call may wait; work does not count.
        call: the call. It must not raise an exception.

    Raises:
        TimeoutError: if the call has waited for longer.
    """
    answers: list[T] = []
    thread = Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    waited, wall, busy = 0.0, time.monotonic(), _busy()
    while thread.is_alive():
        thread.join(LOOK)
        before = wall, busy
        wall, busy = time.monotonic(), _busy()
        # A thread's time in the queue is counted when it leaves the queue, so it can come late.
        waited = max(0.0, waited + wall - before[0] - max(0.0, busy - before[1]))
        if waited > seconds and thread.is_alive():
            raise TimeoutError
    return answers[0]


def _busy() -> float:
    """Seconds that all threads together were on a processor or in the queue for one."""
    total, found = 0.0, False
    for task in TASKS.glob("*/schedstat"):
        try:
            running, queued, _ = task.read_text().split()
        except OSError:  # the thread has just ended
            continue
        total, found = total + (int(running) + int(queued)) / 1e9, True
    return total if found else time.process_time()
