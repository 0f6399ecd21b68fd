"""How the program ends where its surroundings fail: Ctrl-C, a full disk, a reader that has left.

This module imports little, because the program calls `at_once` before it imports anything else.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

INTERRUPTED = 130  # exit code after Ctrl-C: 128 + the number of SIGINT, as in a shell
ECHO = 0.5  # seconds within which a second Ctrl-C counts as a copy of the first
REMEDIES = {
    errno.ENOSPC: "make room on that disk, then run the same command again",
    errno.EDQUOT: "make room within your quota, then run the same command again",
    errno.EACCES: "check the owner and the mode of it, or name another place",
    errno.EPERM: "check the owner and the mode of it, or name another place",
    errno.EROFS: "name a place that can be written",
    errno.EISDIR: "expected a file; move the folder away, or name another file",
    errno.ENOTDIR: "expected a folder where a file stands; move it away, or name another place",
    errno.EEXIST: "expected a folder, or nothing, at this place; move it away",
    errno.ENOENT: "check the name",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENAMETOOLONG: "use shorter names",
}


class Interrupt:
    """A handler of SIGINT that raises KeyboardInterrupt, and ends the process when it comes again.

    Attributes:
        came: whether Ctrl-C was pressed.
    """

    came = False
    _at = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.came:
            self.came, self._at = True, time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._at > ECHO:
            os._exit(INTERRUPTED)


class _LastingFile(io.FileIO):
    """A standard stream that a stage may write to when its reader has left or its disk is full."""

    def write(self, content: object, /) -> int:
        try:
            return super().write(content)  # type: ignore[arg-type]
        except OSError:
            return memoryview(content).nbytes  # type: ignore[arg-type]


def is_program() -> bool:
    """Return True where nasflow is the program of this process, and not part of another one."""
    module = os.path.join(os.path.dirname(os.path.dirname(__file__)), "__main__.py")
    return os.path.basename(sys.argv[0]) == "nasflow" or sys.argv[0] == module


def at_once() -> None:
    """Let Ctrl-C end the program in one line while its modules are imported."""
    if is_program() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, b"nasflow: interrupted\n")
    os._exit(INTERRUPTED)


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Let Ctrl-C raise KeyboardInterrupt within the context, and restore the handler at its end.

    An interrupted import may turn KeyboardInterrupt into another error, so the handler remembers
    that it was called. Where SIGINT is ignored or handled by somebody else, nothing changes.

    Yields:
        The handler, whose `came` tells whether Ctrl-C was pressed.
    """
    seen, before = Interrupt(), signal.getsignal(signal.SIGINT)
    known = before in (_leave, signal.default_int_handler)
    if not known or threading.current_thread() is not threading.main_thread():
        yield seen
        return
    signal.signal(signal.SIGINT, seen)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


def harden(*, lasting: bool) -> None:
    """Protect the program from its surroundings: the current folder, and its standard streams.

    The streams take any text, and outlast their readers.

    A name that the encoding of the terminal does not have is written with escapes. A message that
    nobody can read any more raises no error.

    Args:
        lasting: whether this is true for the standard output, too. The output of a command for
            people is what they asked for: there the command ends when its reader has left.
    """
    if not is_program():
        return
    os.environ["PYTHONSAFEPATH"] = "1"  # no process that this one starts imports from its folder
    if sys.stdout is None:  # the shell has closed it: `>&-`
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()
    if sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stderr = _outlasting(sys.stderr)
    if lasting:
        sys.stdout = _outlasting(sys.stdout)


def _nowhere() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(os.devnull, "w"))


def _outlasting(stream: TextIO) -> io.TextIOWrapper:
    """Return a stream to the same place that raises no error."""
    raw = _LastingFile(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=True,
        write_through=getattr(stream, "write_through", False),
    )


def flush() -> OSError | None:
    """Write what is left of the standard output, and return the error where this fails.

    A reader that has left (`nasflow show ... | head`) is no error. After an error the output goes
    nowhere, because Python would try it again when it ends.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return None if isinstance(error, BrokenPipeError) else error
    return None


def explained(name: str, error: OSError) -> str:
    """Describe an error of the operating system in one line.

    Args:
        name: what the line is about where the error names no file, such as the command.
        error: the error.

    Returns:
        The file, what is wrong and the remedy.
    """
    place = error.filename2 or error.filename or name
    place = os.fsdecode(place) if isinstance(place, bytes | os.PathLike) else str(place)
    what = " ".join((error.strerror or str(error) or type(error).__name__).split())
    remedy = REMEDIES.get(error.errno or 0) if error.filename or error.errno != errno.ENOENT else ""
    return f"{place}: {what}" + f"; {remedy}" * bool(remedy)
