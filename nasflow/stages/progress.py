"""The progress of a stage: a live line on a terminal, and one line at the end everywhere.

The live line is redrawn in place and never moves the other lines up, so that the messages of
Snakemake around it stay complete. Of all stages that share a terminal, only one draws at a time: it
holds a lock on the terminal.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from nasflow.storage.running import Told
from nasflow.training.loop import Progress

EVERY = 0.25  # seconds between two drawings
ERASE = "\r\x1b[2K"  # moves the cursor to the first column and erases the line
NARROW = 80  # assumed width of a terminal that does not tell its width, in columns
BAR = 16  # width of the bar, in columns
ROOMY = 110  # smallest width of a terminal on which the bar is drawn, in columns


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Progress]:
    """Show the progress of a stage for the time of a `with` block.

    Args:
        title: the name of the stage.
        quiet: show nothing.

    Yields:
        A function of the number of steps done, the number of all steps and a note such as the loss.
        It is cheap enough to be called after every step.
    """
    if quiet:
        yield lambda done, of, note: None
        return
    with Line(title) as line:
        yield line


class Line:
    """The line of one stage. It is called with the steps done, the number of all steps and a note.

    The time left is an estimate from the mean time of a step since the first call.

    Args:
        title: the name of the stage.
    """

    def __init__(self, title: str) -> None:
        self._title, self._began, self._drawn = title, time.monotonic(), 0.0
        self._terminal, self._told = _terminal(), Told(title)
        self._first: tuple[int, float] | None = None  # steps and time at the first call
        self._state = (0, 0, "")

    def __enter__(self) -> Line:
        return self

    def __call__(self, done: int, of: int, note: str) -> None:
        now = time.monotonic()
        self._first = self._first or (done, now)
        self._state = done, of, note
        self._told.tell(done, of, note)
        if self._terminal is not None and now - self._drawn >= EVERY:
            self._drawn = now
            self._terminal.draw(self._live(now, self._terminal.width))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._terminal is not None:
            self._terminal.close()
        self._told.end()
        done, of, note = self._state
        if kind is None and of:
            taken = as_time(time.monotonic() - self._began)
            erase = ERASE if self._terminal is not None else ""
            line = f"{erase}{self._title}: {done} steps in {taken}, {note}"
            print(_encodable(line), file=sys.stderr)

    def _live(self, now: float, width: int) -> str:
        done, of, note = self._state
        first, since = self._first or (done, now)
        left = ""
        if done > first:
            left = f", {as_time((now - since) / (done - first) * (of - done))} left"
        filled = round(BAR * done / max(of, 1))
        bar = "━" * filled + "─" * (BAR - filled) + " " if width >= ROOMY else ""
        return _encodable(f"{self._title} {bar}{done}/{of}{left}, {note}")


class Terminal:
    """stderr as a terminal, on which only the process that holds a lock on its device draws.

    Raises:
        OSError: if stderr is no terminal or its device cannot be opened.
    """

    def __init__(self) -> None:
        self._device = os.open(os.ttyname(sys.stderr.fileno()), os.O_RDONLY | os.O_NOCTTY)
        self._mine = False

    @property
    def width(self) -> int:
        """The width of the terminal in columns."""
        with suppress(OSError):
            return os.get_terminal_size(sys.stderr.fileno()).columns or NARROW
        return NARROW

    def draw(self, line: str) -> None:
        """Draw a line in place of the last one, cut to the width of the terminal.

        Nothing is drawn while another process holds the lock, or if the terminal has been closed. A
        closed terminal is no error, because it must not end a search.
        """
        if self._take():
            with suppress(OSError):
                sys.stderr.write(f"{ERASE}{line[: self.width - 1]}")
                sys.stderr.flush()

    def close(self) -> None:
        """Erase the line, if this process has drawn it, and release the lock."""
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
    """Return the terminal, or None.

    None is returned where stderr is no terminal, where the terminal cannot erase a line, or where
    its device has no name on this system (as in some containers).
    """
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        with suppress(OSError):
            return Terminal()
    return None


def _encodable(text: str) -> str:
    """Return a text without the characters that the encoding of stderr does not have."""
    encoding = sys.stderr.encoding or "ascii"
    return text.encode(encoding, "ignore").decode(encoding)


def as_time(seconds: float) -> str:
    """Write a duration in seconds as minutes and seconds, 0:07, or with hours, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
