"""Text and values from elsewhere, written so that they fit on one line of a terminal."""

from __future__ import annotations

import reprlib


class _Brief(reprlib.Repr):
    """Writes a value on one line, however large the value is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring = 2, 120

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if x.bit_length() < 130 else f"a number of {x.bit_length()} bits"


shown = _Brief().repr


def printable(text: str) -> str:
    """Escape everything in `text` that is not a printable character.

    Line breaks, control characters and bytes that are not UTF-8 are written as escapes, so that
    the result is one line and no terminal takes a part of it for a command."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
