"""A digest of the pictures on disk, so that Snakemake sees when the pictures have changed.

The digest covers names and sizes. No picture is opened, so that 50,000 files take a third of a
second. A file that is replaced by another of the same size is therefore not noticed; run
`snakemake -f prepare` after such a change.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from nasflow.config.data import Data

PARTS = ("train", "validation", "test")


def listing(data: Data) -> str | None:
    """Compute the digest of the names and sizes of all pictures of a configuration.

    Args:
        data: the section `data` of the configuration.

    Returns:
        The sha256 in hexadecimal, or None when one of the paths leads to no file. A built-in data
        set has no paths; its digest is that of an empty list.
    """
    paths = [getattr(data, part) for part in PARTS] if data.source in ("folder", "parquet") else []
    state = hashlib.sha256()
    for path in (path for path in paths if path is not None):
        files = sorted(_files(path))
        if not files:
            return None
        for name, size in files:
            state.update(f"{name}\0{size}\0".encode(errors="surrogateescape"))
    return state.hexdigest()


def _files(path: str) -> Iterator[tuple[str, int]]:
    """Names and sizes in bytes of the visible files below a folder, or of those a glob matches."""
    if not Path(path).is_dir():
        found = [path] if Path(path).is_file() else glob.glob(path, recursive=True)
        yield from ((file, os.stat(file).st_size) for file in found)
        return
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                file = os.path.join(folder, name)
                yield os.path.relpath(file, path), os.stat(file).st_size
