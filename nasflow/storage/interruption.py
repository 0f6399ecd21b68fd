"""How a signal ends a stage: after the current step, or at once when the signal is repeated.

The first signal is only remembered, so that the loop can write its state and then end. A second
signal ends the process at once.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ECHO = 0.5  # seconds within which a second signal counts as a copy of the first
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Stopped(Exception):
    """A signal ended the stage. The command prints one line and ends with exit code 75."""


class Interruption:
    """A signal handler that remembers the first signal and ends the process at the second one.

    The process then ends with the exit code 128 + the number of the second signal. Two kinds of
    second signals do not end it. One that comes within ECHO seconds counts as a copy of the first,
    because a terminal and the launcher may both pass on the same signal. SIGUSR1 does not, because
    some clusters send it to every process of a job.

    Attributes:
        number: the number of the first signal, or 0 when none has come.
    """

    number = 0
    _came = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.number:
            self.number, self._came = number, time.monotonic()
        elif number != signal.SIGUSR1 and time.monotonic() - self._came > ECHO:
            os._exit(128 + number)


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Handle SIGNALS while the context lasts, and restore the former handlers at its end.

    Python allows signal handlers only in the main thread. In another thread nothing is handled.
    Within another such context the handler is the outer one, which remembers what came before.

    Yields:
        The handler, whose `number` tells which signal has come.
    """
    seen = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    outer = signal.getsignal(SIGNALS[0])
    if isinstance(outer, Interruption):
        yield outer
        return
    before = {number: signal.signal(number, seen) for number in SIGNALS}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
