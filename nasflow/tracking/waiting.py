"""How long a call has waited for somebody else: for a server, a lock, a disk.

Seconds in which a thread of this process computes, or is ready to and gets no processor, are none
of waiting: on a busy machine work takes longer, and nobody is away for that. Linux counts both, for
each thread (/proc/self/task/*/schedstat: nanoseconds on a processor, and in the queue for one);
elsewhere only the first is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

LOOK = 0.05  # seconds
TASKS = Path("/proc/self/task")


def within(seconds: float, call: Callable[[], T]) -> T:
    """What the call answers; TimeoutError once it has waited for longer.

    A thread: SQLite waits for a lock where no signal reaches it. It is left behind then, and ends
    with the process. The call must raise nothing."""
    answers: list[T] = []
    thread = Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    waited, wall, busy = 0.0, time.monotonic(), _busy()
    while thread.is_alive():
        thread.join(LOOK)
        before = wall, busy
        wall, busy = time.monotonic(), _busy()
        waited += max(0.0, wall - before[0] - max(0.0, busy - before[1]))
        if waited > seconds and thread.is_alive():
            raise TimeoutError
    return answers[0]


def _busy() -> float:
    """Seconds of all threads together, on a processor or in the queue for one."""
    total, found = 0.0, False
    for task in TASKS.glob("*/schedstat"):
        try:
            running, queued, _ = task.read_text().split()
        except OSError:  # the thread has just ended
            continue
        total, found = total + (int(running) + int(queued)) / 1e9, True
    return total if found else time.process_time()
