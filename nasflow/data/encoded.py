"""Labelled pictures on disk that are not decoded yet: folders of class folders, and Parquet files.

The pictures are in the order of their sorted names, which no file system changes. Wrong input is a
ValueError of one line with the key of the configuration, the file, the column or the row (from 0),
what was found, and a remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from nasflow.data import class_names, parquet_file, walk
from nasflow.printable import printable, shown


class Encoded(NamedTuple):
    """Pictures that are not decoded yet, with their labels.

    Attributes:
        names: the name of each picture, for messages.
        contents: each picture, as its encoded bytes or as the path of its file. Those of Parquet
            files are read when they are asked for; ask for them in their order.
        labels: the labels as they were found, (n,); they have not been checked.
        classes: the names of the classes, or None when the source has none.
        spelled: whether the labels were texts, which are now numbers of the sorted texts.
    """

    names: list[str]
    contents: Sequence[bytes | Path]
    labels: npt.NDArray[Any]
    classes: tuple[str, ...] | None
    spelled: bool = False


class _Joined(Sequence[bytes]):
    """The pictures of several Parquet files, one file after the other."""

    def __init__(self, parts: list[parquet_file.Pictures]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(self._parts)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        number = int(np.searchsorted(self._ends, row, side="right"))
        part = self._parts[number]
        return part[row - int(self._ends[number]) + len(part)]


def folder(path: str, key: str) -> Encoded:
    """List the pictures of a folder that holds one folder for each class.

    The module `walk` says which files count, and what is refused.

    Args:
        path: the folder of the class folders.
        key: the key of the configuration, or the option, that names the folder, for messages.

    Returns:
        The paths of the pictures, and their labels: classes are numbered by their sorted names.

    Raises:
        ValueError: if the folder is missing, has no class folders, holds parts of a data set
            instead of classes, has something that `walk.class_folders` refuses, or if the name
            of a class is no UTF-8 or the same as another one in another Unicode form.
    """
    top = Path(path)
    if not top.is_dir():
        raise ValueError(f"{key}: {shown(path)} is no folder; expected a folder of class folders")
    classes = walk.class_folders(top, key)
    if not classes:
        raise ValueError(
            f"{key}: {shown(path)} has no class folders; put the images of each class in a folder"
        )
    pairs = [(file, label) for label, entry in enumerate(classes) for file in entry.files]
    class_names.check([entry.name for entry in classes], f"{key}: {shown(path)}")
    return Encoded(
        [printable(str(file)) for file, _ in pairs],
        [file for file, _ in pairs],
        np.array([label for _, label in pairs], dtype=np.int64),
        tuple(entry.name for entry in classes),
    )


def parquet(path: str, key: str) -> Encoded:
    """Read pictures from Parquet files, as Hugging Face writes them, without decoding them.

    Args:
        path: one file, or a pattern with `*`, `?` or `**` that matches files.
        key: the key of the configuration, or the option, that names the path, for messages.

    Returns:
        The pictures of all files, in the order of the sorted names of the files.

    Raises:
        ValueError: if no file is there, if one is no such Parquet file or is too large in memory,
            or if the files disagree about the names of the classes.
    """
    files = walk.parquet_files(path)
    if not files:
        raise ValueError(
            f"{key}: {shown(path)} is no file and matches none; expected a file or a glob"
        )
    parts = [parquet_file.read(Path(file), key) for file in files]
    for file, part in zip(files, parts, strict=True):
        if class_names.keys(part.classes or ()) != class_names.keys(parts[0].classes or ()):
            raise ValueError(f"{file}: class names differ from those in {files[0]}; relabel one")
        if (part.labels.dtype == object) != (parts[0].labels.dtype == object):
            raise ValueError(
                f"{file}: labels are texts in one of {files[0]} and this file, and numbers in the"
                " other; expected the same kind in all files"
            )
    found = Encoded(
        [
            f"{_named(f)}, row {row}"
            for f, p in zip(files, parts, strict=True)
            for row in range(len(p.labels))
        ],
        _Joined([part.pictures for part in parts]),
        np.concatenate([part.labels for part in parts]),
        parts[0].classes,
    )
    return _numbered(found) if found.labels.dtype == object else found


def _numbered(found: Encoded) -> Encoded:
    """Number labels that are texts: classes are the sorted texts, in one Unicode form each."""
    texts = class_names.keys(found.labels)
    classes = tuple(sorted(set(texts)))
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[text] for text in texts], dtype=np.int64)
    return found._replace(labels=labels, classes=classes, spelled=True)


def _named(file: str) -> str:
    """The name of a file for messages and split.csv; bytes that are not UTF-8 are escaped."""
    return file if class_names.writable(file) else printable(file)
