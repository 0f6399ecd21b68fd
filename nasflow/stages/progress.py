"""How a stage gets on: a live line on a terminal, one line at its end everywhere.

The live line is one line high and is never scrolled, so that Snakemake's own messages beside it
stay whole. Stages that share a terminal take turns: whoever holds the terminal's lock draws.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

Progress = Callable[[int, int, str], None]

EVERY = 0.25  # seconds
ERASE = "\r\x1b[2K"
NARROW = 80  # columns of a terminal that does not say
BAR = 16  # columns of the bar, which is left out
ROOMY = 110  # where a terminal has fewer


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Progress]:
    """A function (done, of, note), cheap enough for every step; it does nothing if `quiet`."""
    if quiet:
        yield lambda done, of, note: None
        return
    with Line(title) as line:
        yield line


class Line:
    """The line of one stage; its time left is an estimate from the steps since the first one."""

    def __init__(self, title: str) -> None:
        self._title, self._began, self._drawn = title, time.monotonic(), 0.0
        self._terminal = _terminal()
        self._first: tuple[int, float] | None = None  # step and time
        self._state = (0, 0, "")

    def __enter__(self) -> Line:
        return self

    def __call__(self, done: int, of: int, note: str) -> None:
        now = time.monotonic()
        self._first = self._first or (done, now)
        self._state = done, of, note
        if self._terminal is not None and now - self._drawn >= EVERY:
            self._drawn = now
            self._terminal.draw(self._live(now, self._terminal.width))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._terminal is not None:
            self._terminal.close()
        done, of, note = self._state
        if kind is None and of:
            taken = clock(time.monotonic() - self._began)
            erase = ERASE if self._terminal is not None else ""
            line = f"{erase}{self._title}: {done} steps in {taken}, {note}"
            print(_encodable(line), file=sys.stderr)

    def _live(self, now: float, width: int) -> str:
        done, of, note = self._state
        first, since = self._first or (done, now)
        left = ""
        if done > first:
            left = f", {clock((now - since) / (done - first) * (of - done))} left"
        filled = round(BAR * done / max(of, 1))
        bar = "━" * filled + "─" * (BAR - filled) + " " if width >= ROOMY else ""
        return _encodable(f"{self._title} {bar}{done}/{of}{left}, {note}")


class Terminal:
    """stderr, drawn on by one process at a time: the holder of a lock on the terminal's device."""

    def __init__(self) -> None:
        self._device = os.open(os.ttyname(sys.stderr.fileno()), os.O_RDONLY | os.O_NOCTTY)
        self._mine = False

    @property
    def width(self) -> int:
        with suppress(OSError):
            return os.get_terminal_size(sys.stderr.fileno()).columns or NARROW
        return NARROW

    def draw(self, line: str) -> None:
        """Instead of the line that stands there, cut to the width; nothing where another draws, or
        where the terminal has gone: that ends no search."""
        if self._take():
            with suppress(OSError):
                sys.stderr.write(f"{ERASE}{line[: self.width - 1]}")
                sys.stderr.flush()

    def close(self) -> None:
        """Leave an empty line to whoever comes next."""
        if self._mine:
            self.draw("")
        os.close(self._device)

    def _take(self) -> bool:
        if not self._mine:
            try:
                fcntl.flock(self._device, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            self._mine = True
        return True


def _terminal() -> Terminal | None:
    """None where stderr is none, or one that erases nothing, or one without a name here."""
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        with suppress(OSError):
            return Terminal()
    return None


def _encodable(text: str) -> str:
    """Without what stderr cannot show."""
    encoding = sys.stderr.encoding or "ascii"
    return text.encode(encoding, "ignore").decode(encoding)


def clock(seconds: float) -> str:
    """0:07, 12:40, 1:02:03"""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
