"""A digest of the pictures on disk, so that Snakemake sees when the pictures have changed.

The digest covers the names and sizes of the files that count (module `walk`), and no others: what
`prepare` skips makes nothing run again. No picture is opened, so that 50,000 files take a third of
a second. A file that is replaced by another of the same size is therefore not noticed; run
`snakemake -f prepare` after such a change.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from nasflow.config.data import Data
from nasflow.data import walk

PARTS = ("train", "validation", "test")


def listing(data: Data) -> str | None:
    """Compute the digest of the names and sizes of all pictures of a configuration.

    Args:
        data: the section `data` of the configuration.

    Returns:
        The sha256 in hexadecimal, or None when one of the paths leads to no file. A built-in data
        set has no paths; its digest is that of an empty list.

    Raises:
        ValueError: if there is something that `prepare` would refuse without opening a file, such
            as a link that leads nowhere; the message is one line.
    """
    paths = {part: getattr(data, part) for part in PARTS}
    state = hashlib.sha256()
    for part, path in paths.items() if data.source in ("folder", "parquet") else ():
        if path is None:
            continue
        found = _pictures if data.source == "folder" else _shards
        files = sorted(found(path, f"data.{part}"))
        if not files:
            return None
        for name, size in files:
            state.update(f"{name}\0{size}\0".encode(errors="surrogateescape"))
    return state.hexdigest()


def _pictures(path: str, key: str) -> list[tuple[str, int]]:
    """Names in the folder, and sizes in bytes, of the pictures of all class folders."""
    if not Path(path).is_dir():
        return []
    classes = walk.class_folders(Path(path), key)
    return [
        (f"{folder.name}/{file.name}", walk.size(file, key))
        for folder in classes
        for file in folder.files
    ]


def _shards(path: str, key: str) -> list[tuple[str, int]]:
    """Paths and sizes in bytes of Parquet files."""
    return [(file, walk.size(file, key)) for file in walk.parquet_files(path)]
