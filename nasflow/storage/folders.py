"""What lies in a folder, and in all folders below it, with links followed and without an end.

A link is a symbolic link. It stands for what it leads to. A link may lead nowhere, or back to a
folder above it; both are reported and never followed. No file is opened here, so that a pipe, a
socket or a device is recognised and cannot stop the program.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class Kind(StrEnum):
    """What an entry of a folder is, after its links were followed."""

    FILE = "file"
    FOLDER = "folder"
    SPECIAL = "special"  # a pipe, a socket or a device
    NOWHERE = "nowhere"  # a link to nothing, or to itself
    UP = "up"  # a link to the folder that holds it, or to one above that
    AGAIN = "again"  # another way to a folder that was read already
    SHUT = "shut"  # what the system does not let us look at


class Entry(NamedTuple):
    """One entry of a folder.

    Attributes:
        path: the path of the folder, with the name of the entry.
        kind: what the entry is.
        linked: True for a link.
    """

    path: Path
    kind: Kind
    linked: bool


Skipped = Callable[[Path], bool]


def entries(folder: Path, skipped: Skipped = lambda _: False) -> list[Entry]:
    """List a folder.

    Args:
        folder: the folder, or a link to one.
        skipped: returns True for an entry that is left out.

    Returns:
        The entries, sorted by name.

    Raises:
        OSError: if the folder cannot be read.
    """
    with os.scandir(folder) as found:
        listed = sorted(((one.name, one) for one in found), key=lambda pair: pair[0])
    pairs = ((folder / name, one) for name, one in listed)
    return [_entry(path, one) for path, one in pairs if not skipped(path)]


def entry(path: Path) -> Entry:
    """Say what lies at a path."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return Entry(path, Kind.SHUT, False)
    return _behind(path) if stat.S_ISLNK(mode) else Entry(path, _kind(mode), False)


def _entry(path: Path, listed: os.DirEntry[str]) -> Entry:
    """Say what an entry is; files and folders need no call of the system for it."""
    if listed.is_file(follow_symlinks=False):
        return Entry(path, Kind.FILE, False)
    if listed.is_dir(follow_symlinks=False):
        return Entry(path, Kind.FOLDER, False)
    return entry(path)


def _behind(link: Path) -> Entry:
    """Say what a link leads to."""
    try:
        found = _kind(os.stat(link).st_mode)
    except PermissionError:
        return Entry(link, Kind.SHUT, True)
    except OSError:  # there is no such file, or the link leads to itself
        return Entry(link, Kind.NOWHERE, True)
    return Entry(link, Kind.UP if found is Kind.FOLDER and _leads_up(link) else found, True)


def below(top: Path, skipped: Skipped = lambda _: False) -> Iterator[Entry]:
    """List all that lies below a folder, except folders, which are entered.

    Each folder is entered once, even where several links lead to it: first all folders that no
    link leads to, and then the links in the order of their names. So the walk ends.

    Args:
        top: the folder, or a link to one.
        skipped: returns True for an entry that is left out, with all that is below it.

    Yields:
        Files, and everything else that is no folder. A folder that cannot be read is an entry of
        the kind SHUT, and a link to a folder that was entered before is one of the kind AGAIN.
    """
    seen: set[tuple[int, int]] = set()
    folders, links = [top], list[Path]()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        try:
            facts = os.stat(folder)
            inside = entries(folder, skipped)
        except OSError:
            yield Entry(folder, Kind.SHUT, False)
            continue
        if (facts.st_dev, facts.st_ino) in seen:
            yield Entry(folder, Kind.AGAIN, True)
            continue
        seen.add((facts.st_dev, facts.st_ino))
        for found in inside:
            if found.kind is Kind.FOLDER:
                (links if found.linked else folders).append(found.path)
            else:
                yield found


def _kind(mode: int) -> Kind:
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.FILE if stat.S_ISREG(mode) else Kind.SPECIAL


def _leads_up(link: Path) -> bool:
    """Return True when a link leads to the folder that holds it, or to one above."""
    real, own = os.path.realpath(link), os.path.realpath(link.parent)
    return own == real or own.startswith(real.rstrip("/") + "/")
