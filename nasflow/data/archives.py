"""Tar archives from elsewhere, unpacked inside of their folder only."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_extract_all = tarfile.TarFile.extractall


@contextmanager
def safe_archives() -> Iterator[None]:
    """Let no member of a tar archive be unpacked outside its folder while the context lasts.

    torchvision unpacks a whole archive without a filter, so this sets the filter of PEP 706.
    Python 3.11.0 to 3.11.3 have no such filter; there an archive with such a member is refused.
    """
    filtered = hasattr(tarfile, "data_filter")
    name = "extraction_filter" if filtered else "extractall"
    before = tarfile.TarFile.__dict__.get(name)
    setattr(tarfile.TarFile, name, staticmethod(tarfile.data_filter) if filtered else _inside)
    try:
        yield
    finally:
        setattr(tarfile.TarFile, name, before)


def _inside(archive: tarfile.TarFile, path: str | Path = ".", *more: Any, **named: Any) -> None:
    """Unpack an archive as `TarFile.extractall` does, if all members are files in the folder.

    Raises:
        tarfile.TarError: if a member lies outside the folder, or is neither a file nor a folder.
    """
    folder = Path(path).resolve()
    for member in archive.getmembers():
        if not (folder / member.name).resolve().is_relative_to(folder):
            raise tarfile.ExtractError(f"{member.name!r} lies outside the destination '{folder}'")
        if not (member.isfile() or member.isdir()):
            raise tarfile.ExtractError(f"{member.name!r} is neither a file nor a folder")
    _extract_all(archive, path, *more, **named)
