"""A polite end: the first signal is remembered for the loop to see, a second one ends at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Stopped(Exception):
    """A signal ended the stage: one line, exit code 75."""


class Interruption:
    """`name` of the first signal that came. A second one ends the process with 128 + its number."""

    name: str | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.name is not None:
            os._exit(128 + number)
        self.name = signal.Signals(number).name


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
