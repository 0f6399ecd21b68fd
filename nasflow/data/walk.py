"""Which files of a folder count as pictures: the one rule for `prepare`, `init` and `predict`.

The digest that shows Snakemake a change of the pictures (`listing`) follows the same rule.

* **Hidden entries** (a name that begins with a dot) and **litter** (files and folders that systems
  and programs leave behind, such as `Thumbs.db`) are skipped everywhere.
* **Links** (symbolic links) are followed. A link that leads nowhere, or back to a folder above it,
  is refused by name.
* **Class folders** are the folders in the folder of the pictures. What lies beside them and is no
  folder is skipped.
* **In a class folder** everything else must be a picture. Folders, pipes, sockets and devices are
  refused by name, and nothing is opened for that.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nasflow.printable import printable, shown
from nasflow.storage.folders import Entry, Kind, below, entries

# Compared without regard to upper and lower case.
LITTER = frozenset(
    (
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),  # files of Windows
        *("$recycle.bin", "system volume information"),  # folders of Windows
        *("__macosx", "icon\r", "network trash folder", "temporary items"),  # macOS
        *("@eadir", "@synoresource", "@recycle", "#recycle", "#snapshot"),  # network drives
        *("lost+found", "__pycache__", "picasa.ini", "zbthumbnail.info"),
    )
)
MARK = ":zone.identifier"  # the end of the notes that Windows makes about downloaded files
# Endings of the formats that are read. Only `predict` asks for them, and only about a file that
# lies beside folders: what has none of them, and is no picture, is a note.
ENDINGS = frozenset(
    (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".webp"),
        *(".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".tif", ".tiff"),
    )
)
PROBLEMS = {
    Kind.SPECIAL: "no regular file; expected a picture; remove it",
    Kind.NOWHERE: "a link that leads nowhere; expected what it names; mend or remove it",
    Kind.UP: "a link that leads back to a folder above it; expected another one; remove it",
    Kind.AGAIN: "leads to a folder that is read already; nothing is read twice",
    Kind.SHUT: "cannot be read; allow it with chmod, or remove it",
}
# Names of folders that suggest a part of a data set and not a class.
PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}


class ClassFolder(NamedTuple):
    """The folder of one class.

    Attributes:
        name: the name of the class.
        files: the paths of its pictures, sorted by name. Links were followed: all are regular
            files.
    """

    name: str
    files: list[Path]


class Candidate(NamedTuple):
    """A file that `predict` found below a folder.

    Attributes:
        path: the file.
        problem: why it cannot be read, or None.
        lost: whether a picture is lost by the problem.
        note: whether the file is left out silently where it is no picture.
    """

    path: Path
    problem: str | None = None
    lost: bool = True
    note: bool = False


def litter(path: Path) -> bool:
    """Return True for what systems and programs leave in folders of pictures."""
    name = path.name.casefold()
    return name in LITTER or name.endswith(MARK)


def skipped(path: Path) -> bool:
    """Return True for hidden entries and for litter."""
    return path.name.startswith(".") or litter(path)


def class_folders(top: Path, key: str) -> list[ClassFolder]:
    """List the class folders of a folder, and their pictures.

    Args:
        top: the folder of the class folders.
        key: the key of the configuration, or the option, that names the folder, for messages.

    Returns:
        The class folders, sorted by name. There may be none, and they may be empty.

    Raises:
        ValueError: if an entry is refused, as the module says; the message is one line.
    """
    found = [one for one in _inside(top, key) if one.kind not in (Kind.FILE, Kind.SPECIAL)]
    folders = [one.path for one in found if one.kind is Kind.FOLDER]
    _refuse_parts(folders, top, key)
    refused = [one for one in found if one.kind is not Kind.FOLDER]
    classes = []
    for folder in folders:
        inside = _inside(folder, key)
        refused += [one for one in inside if one.kind is not Kind.FILE]
        classes.append(ClassFolder(folder.name, [one.path for one in inside]))
    _refuse(refused, key)
    return classes


def parquet_files(path: str) -> list[str]:
    """List the Parquet files that a path or a pattern means.

    Args:
        path: one file, or a pattern with `*`, `?` or `**`.

    Returns:
        The files, sorted by name; of a pattern, without hidden files and litter.
    """
    if os.path.lexists(path):
        return [path]
    return sorted({file for file in _matches(path) if not litter(Path(file))})


def pictures_below(top: Path) -> list[Candidate]:
    """List the pictures below a folder, whatever its folders are.

    Args:
        top: the folder.

    Returns:
        The candidates, sorted by path.
    """
    found = sorted(below(top, skipped))
    folders = {one.path.parent for one in found}
    holders = {above for folder in folders for above in folder.parents}
    return [
        Candidate(
            path,
            None if kind is Kind.FILE else f"{printable(str(path))}: {PROBLEMS[kind]}",
            lost=kind not in (Kind.UP, Kind.AGAIN),
            note=kind is Kind.FILE
            and path.parent in holders
            and path.suffix.casefold() not in ENDINGS,
        )
        for path, kind, _ in found
    ]


def size(file: str | Path, key: str) -> int:
    """Return the size of a file in bytes; links are followed.

    Args:
        file: the file.
        key: the key of the configuration that leads to it, for the message.

    Raises:
        ValueError: if the file is gone or cannot be looked at; the message is one line.
    """
    try:
        return os.stat(file).st_size
    except OSError as error:
        raise ValueError(
            f"{key}: {printable(str(file))}: cannot be read ({error.strerror}); mend or remove it"
        ) from error


def _inside(folder: Path, key: str) -> list[Entry]:
    try:
        return entries(folder, skipped)
    except OSError as error:
        raise ValueError(
            f"{key}: {shown(str(folder))} cannot be read ({error.strerror}); expected a folder of"
            " pictures; allow it with chmod, or remove it"
        ) from error


def _refuse(refused: list[Entry], key: str) -> None:
    """Raise one error for all entries that are refused, about the first of them."""
    if not refused:
        return
    path, kind, _ = refused[0]
    more = f" ({len(refused) - 1} more are refused too)" if refused[1:] else ""
    if kind is Kind.FOLDER:
        raise ValueError(
            f"{key}: {shown(str(path))} is a folder in a class folder; expected images;"
            f" point {key} at the folder of the class folders{more}"
        )
    raise ValueError(f"{key}: {printable(str(path))}: {PROBLEMS[kind]}{more}")


def _refuse_parts(folders: list[Path], top: Path, key: str) -> None:
    """Refuse a folder of parts, such as train and test, and say what to write instead."""
    called = {name: part for part, names in PARTS.items() for name in names}
    part = {f.name: called[f.name.lower()] for f in folders if f.name.lower() in called}
    if len(part) == len(folders) and "train" in part.values():
        keys = ", ".join(f"{name}: {top / folder}" for folder, name in part.items())
        raise ValueError(
            f"{key}: {shown(str(top))} holds {', '.join(part)}, which are parts and not classes;"
            f" write {printable(keys)} under data"
        )


def _matches(pattern: str) -> Iterator[str]:
    """List what a pattern matches. `**` enters each folder once, so that no link makes it endless.

    The function glob would follow a link to a folder above it 40 times, and list the files in it 40
    times.
    """
    first, several, rest = (
        f"{pattern}/*".partition("**/") if pattern.endswith("**") else (pattern.partition("**/"))
    )
    if not several or (first and not first.endswith("/")):
        yield from glob.glob(pattern)
        return
    for top in glob.glob(first) if first else [""]:
        for folder in _folders(Path(top)):
            inside = "" if folder == Path() else f"{folder}/"
            yield from _matches(glob.escape(top + inside) + rest)


def _folders(top: Path) -> list[Path]:
    """List the folders below a folder that hold files, and those between, relative to it."""
    files = (one.path.relative_to(top) for one in below(top, skipped))
    return sorted({folder for file in files for folder in file.parents})
