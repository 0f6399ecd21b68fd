"""Docstrings are plain text with formulas: make them reStructuredText for autodoc.

Code between single backticks becomes literal; `*`, `|`, `_` and `^` outside of it are themselves.
"""

import re
from collections.abc import Iterator

CODE = re.compile(r"`+([^`]+)`+")
SPECIAL = re.compile(r"([*|\\])|(?<=\w)(_)(?!\w)")


def reformatted(text: str) -> str:
    """One docstring; backticks may span lines."""
    parts = CODE.split(text)  # prose, code, prose, ...
    return "".join(_parts(parts))


def _parts(parts: list[str]) -> Iterator[str]:
    for place, part in enumerate(parts):
        if place % 2:
            yield f"``{' '.join(part.split())}``\\ "
        else:
            yield SPECIAL.sub(lambda found: "\\" + found.group(), part)


def process(app, what, name, obj, options, lines):  # type: ignore[no-untyped-def]
    lines[:] = reformatted("\n".join(lines)).split("\n")


def setup(app):  # type: ignore[no-untyped-def]
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True}
