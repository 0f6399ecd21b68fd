"""The warnings of Pillow, told with the name of the picture that they are about.

Python shows a warning with the line of the library that gave it, and only once for each line. That
says nothing about the picture.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, local
from typing import Any

from nasflow.printable import printable

NAMED = 5  # at most this many pictures are told with their warning


# Pillow says this when a palette loses its alpha channel, which the modes count.
COUNTED = "Palette images with Transparency"
LOG = logging.getLogger("PIL")
_ALONE = Lock()


@contextmanager
def overheard() -> Iterator[None]:
    """Log what a library in C writes to the standard error stream within the block.

    libtiff writes its warnings there, without the name of the picture. The stream belongs to the
    whole process, so that one block runs at a time.
    """
    with _ALONE, tempfile.TemporaryFile() as file:
        try:
            kept = os.dup(2)
        except OSError:  # the stream is closed
            yield
            return
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            text = file.read(2000).decode(errors="replace")
            if text.strip():
                LOG.warning("%s", text)


class _Said(logging.Handler):
    """Takes what Pillow logs, which is how it tells of some damaged TIFFs."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.note(record.getMessage())


class Heard:
    """Collects the warnings of Pillow by picture, from all threads; use it as a context.

    Attributes:
        first: maps the name of a picture to its first warning.
    """

    def __init__(self) -> None:
        self.first: dict[str, str] = {}
        self.current = local()
        self._context = warnings.catch_warnings()
        self._said = _Said(self)

    def __enter__(self) -> Heard:
        self._context.__enter__()
        LOG.addHandler(self._said)
        other = warnings.showwarning
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", message=COUNTED)

        def show(message: Warning | str, *rest: Any, **more: Any) -> None:
            if not self.note(str(message)):
                other(message, *rest, **more)

        warnings.showwarning = show
        return self

    def __exit__(self, *error: object) -> None:
        LOG.removeHandler(self._said)
        self._context.__exit__(*error)  # type: ignore[arg-type]

    def note(self, message: str) -> bool:
        """Keep a warning about the picture of this thread; return False where it has none."""
        name = getattr(self.current, "name", None)
        if name is not None:
            self.first.setdefault(name, " ".join(message.split()))
        return name is not None

    def tell(self) -> None:
        """Print one line for each of the first NAMED pictures, and the number of the others."""
        for name, warning in list(self.first.items())[:NAMED]:
            print(f"nasflow: {name}: read with a warning: {printable(warning)}", file=sys.stderr)
        if len(self.first) > NAMED:
            more = len(self.first) - NAMED
            print(f"nasflow: {more} more pictures were read with a warning", file=sys.stderr)
