"""What a person names as PHOTOS: a folder of pictures, Parquet files, or a built-in data set."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import NamedTuple

from nasflow.data import walk
from nasflow.planning.survey import KNOWN
from nasflow.printable import shown

ENDING = ".parquet"
LABELS = {"train": "PHOTOS", "validation": "PHOTOS", "test": "--test"}  # for messages


class Source(NamedTuple):
    """Where the pictures are.

    Attributes:
        kind: `data.source` of the configuration.
        train: a folder of class folders, a Parquet file or a pattern of Parquet files; None for a
            built-in data set.
        validation: the same for validation, where the folder has a part of this name.
        test: the same for the test.
    """

    kind: str
    train: str | None = None
    validation: str | None = None
    test: str | None = None


def source(photos: str) -> Source:
    """Find out what PHOTOS is.

    The name of a built-in data set means that data set; a folder of the same name is written
    `./digits`. A folder may hold class folders; parts such as `train` and `test` that hold class
    folders; or Parquet files, whose names may begin with the name of a part. The Parquet files may
    be in a folder `data`, as Hugging Face arranges them.

    Args:
        photos: a path, a pattern of Parquet files, or the name of a built-in data set.

    Raises:
        ValueError: if there is nothing of the kind.
    """
    if photos in KNOWN:
        return Source(photos)
    path = Path(photos).expanduser()
    if path.is_dir():
        return _in_folder(path.absolute())
    if photos.endswith(ENDING) or glob.has_magic(photos):
        return Source("parquet", str(path.absolute()))
    what = "is no folder" if path.exists() else "not found"
    raise ValueError(
        f"PHOTOS: {shown(photos)} {what}; expected a folder with one folder of pictures for each"
        f" class, a Parquet file or pattern, or one of {', '.join(KNOWN)}"
    )


def _in_folder(top: Path) -> Source:
    """Find out what a folder holds."""
    inside = [path for path in sorted(top.iterdir()) if not walk.skipped(path)]
    for folder in (top, top / "data"):
        if any(path.name.endswith(ENDING) for path in folder.glob(f"*{ENDING}")):
            return _parquet(folder)
    found = {
        part: str(path)
        for part, names in walk.PARTS.items()
        for path in inside
        if path.is_dir() and path.name.lower() in names
    }
    if "train" in found and len(found) == sum(path.is_dir() for path in inside):
        return Source("folder", **found)
    return Source("folder", str(top))


def _parquet(folder: Path) -> Source:
    """The parts of a folder of Parquet files, by the beginnings of their names."""
    names = [path.name for path in folder.glob(f"*{ENDING}") if not walk.skipped(path)]
    found: dict[str, str] = {}
    for part, words in walk.PARTS.items():
        for word in words:
            if any(name.startswith((f"{word}-", f"{word}{ENDING}")) for name in names):
                found.setdefault(part, f"{glob.escape(str(folder))}/{word}[-.]*{ENDING[1:]}")
    if "train" in found:
        return Source("parquet", **found)
    return Source("parquet", f"{glob.escape(str(folder))}/*{ENDING}")
