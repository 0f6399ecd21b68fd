"""A polite end: the first signal is remembered for the loop to see, a second one ends at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ECHO = 0.5
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Stopped(Exception):
    """A signal ended the stage: one line, exit code 75."""


class Interruption:
    """`number` of the first signal that came, 0 before. A second one ends the process with 128 +
    its number; within ECHO seconds it is taken for the same one, which a terminal and torchrun
    both pass on, and SIGUSR1 never ends it, which some clusters send to every process of a job."""

    number = 0
    _came = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.number:
            self.number, self._came = number, time.monotonic()
        elif number != signal.SIGUSR1 and time.monotonic() - self._came > ECHO:
            os._exit(128 + number)


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Handles SIGNALS while it lasts. Off the main thread, where Python allows no handlers, it
    never sees one."""
    seen = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    before = {number: signal.signal(number, seen) for number in SIGNALS}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
