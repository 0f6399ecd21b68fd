"""Names of classes and of images: which are the same, and which cannot be written to a file.

Unicode has several forms of one letter: `é` is one character (form NFC), or `e` and an accent (form
NFD, which macOS and some archives use). Names are compared in form NFC, and kept as they are found.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from nasflow.printable import shown


def key(name: str) -> str:
    """Return the form in which two names are compared: NFC."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def keys(names: Iterable[str]) -> tuple[str, ...]:
    """Return the form in which names are compared, for each name."""
    return tuple(map(key, names))


def writable(name: str) -> bool:
    """Return whether a name can be written to a file of text in UTF-8.

    A name on disk that has other bytes cannot: Python reads them as lone surrogates.
    """
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def check(names: Sequence[str], where: str) -> None:
    """Refuse names of classes that are no text, and two classes with one name.

    Args:
        names: the names of the classes.
        where: the source of the classes, for the message.

    Raises:
        ValueError: if a name is empty or cannot be written in UTF-8, or if two names are the same.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not name or not writable(name):
            raise ValueError(
                f"{where}: class {shown(name)}; expected a name in UTF-8 that is not empty;"
                " rename it"
            )
        if key(name) in seen:
            raise ValueError(f"{where}: {_twice(seen[key(name)], name)}; rename or join them")
        seen[key(name)] = name


def _twice(first: str, second: str) -> str:
    """What is wrong with two names that are the same."""
    if first == second:
        return f"two classes are called {shown(first)}; expected another name for each class"
    return (
        f"the classes {first!a} and {second!a} have one name in two Unicode forms;"
        " expected one class for each name"
    )
