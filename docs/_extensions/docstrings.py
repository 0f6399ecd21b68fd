"""Makes reStructuredText of docstrings, which are plain text with formulas and Google sections.

Code between single backticks becomes literal text; `*`, `|`, `_` and `^` outside of code stand for
themselves. This runs before napoleon, which then makes fields of `Args:`, `Returns:`, `Raises:` and
`Attributes:`: the marks that napoleon writes must not be escaped.
"""

import re
from collections.abc import Iterator

CODE = re.compile(r"`+([^`]+)`+")
SPECIAL = re.compile(r"([*|\\])|(?<=\w)(_)(?!\w)")
BEFORE_NAPOLEON = 400  # its priority is 500, and lower numbers run first


def reformatted(text: str) -> str:
    """Return one docstring as reStructuredText; backticks may span lines."""
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
    app.connect("autodoc-process-docstring", process, priority=BEFORE_NAPOLEON)
    return {"parallel_read_safe": True}
