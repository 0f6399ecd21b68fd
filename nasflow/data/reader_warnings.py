"""The warnings of Pillow, told with the name of the picture that they are about.

Python shows a warning with the line of the library that gave it, and only once for each line. That
says nothing about the picture.
"""

from __future__ import annotations

import sys
import warnings
from threading import local
from typing import Any

from nasflow.printable import printable

NAMED = 5  # at most this many pictures are told with their warning


class Heard:
    """Collects the warnings of Pillow by picture, from all threads; use it as a context.

    Attributes:
        first: maps the name of a picture to its first warning.
    """

    def __init__(self) -> None:
        self.first: dict[str, str] = {}
        self.current = local()
        self._context = warnings.catch_warnings()

    def __enter__(self) -> Heard:
        self._context.__enter__()
        other = warnings.showwarning
        warnings.simplefilter("always")

        def show(message: Warning | str, *rest: Any, **more: Any) -> None:
            name = getattr(self.current, "name", None)
            if name is None:
                other(message, *rest, **more)
            else:
                self.first.setdefault(name, " ".join(str(message).split()))

        warnings.showwarning = show
        return self

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(*error)  # type: ignore[arg-type]

    def tell(self) -> None:
        """Print one line for each of the first NAMED pictures, and the number of the others."""
        for name, warning in list(self.first.items())[:NAMED]:
            print(f"nasflow: {name}: read with a warning: {printable(warning)}", file=sys.stderr)
        if len(self.first) > NAMED:
            more = len(self.first) - NAMED
            print(f"nasflow: {more} more pictures were read with a warning", file=sys.stderr)
