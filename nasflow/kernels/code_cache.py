"""The files in which the machine code of the kernels is kept, so that it is compiled only once.

numba keeps the code beside this file in `__pycache__`, or in NUMBA_CACHE_DIR, or in the user's
cache folder: the first of them that can be written. It reads the files with pickle, which can run
any program, so the folder must be one that only its user can write (docs/safety.md).

numba expects files that are whole, and ends with a traceback where one is not. After a power cut a
file may be empty, cut or full of zeros, and a disk may be full. Here each file ends with the sha256
of its content. A file with another content, or one that cannot be read, counts as missing: the
kernel is compiled again, and the file is replaced. Where nothing can be written, each process
compiles for itself, and says so in one line.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

DIGEST = 32  # bytes of a sha256
UNKEPT = (
    "nasflow: {}: compiled kernels cannot be kept ({}); each process compiles them again, which"
    " takes up to a minute; make room there, or set NUMBA_CACHE_DIR to a folder that only you can"
    " write"
)
_told: set[str] = set()  # the folders of which a line has told that they cannot be written


class CodeCache(FunctionCache):
    """numba's cache of one function, which never fails: its worst case is that it keeps nothing."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = CheckedFiles(
            locator.get_cache_path(), self._impl.filename_base, locator.get_source_stamp()
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function for these types, or None where it must be compiled."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # numba and pickle raise errors of many types for a strange content
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled function; where the folder cannot be written, say so once."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            self.disable()
            if self.cache_path not in _told:
                _told.add(self.cache_path)
                reason = getattr(error, "strerror", None) or error
                print(UNKEPT.format(self.cache_path, reason), file=sys.stderr)


class CheckedFiles(IndexDataCacheFile):
    """The files of one function, each with the sha256 of its content at its end."""

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[IO[bytes]]:
        """Open a file for writing; it gets its name, and its sha256, when the block ends."""
        if os.path.isdir(filepath):
            name = os.path.basename(filepath)
            raise IsADirectoryError(errno.EISDIR, f"{name} is a folder; expected a file", filepath)
        with super()._open_for_write(filepath) as file:
            yield file
            file.flush()
            with open(file.name, "rb") as written:
                file.write(hashlib.sha256(written.read()).digest())

    def _load_index(self) -> Any:
        """Return which file holds the code for which types."""
        return super()._load_index() if _whole(self._index_path) else {}

    def _load_data(self, name: str) -> Any:
        """Return the content of a file; numba compiles again when this raises OSError."""
        path = self._data_path(name)
        if not _whole(path):
            raise OSError(f"{path}: damaged")
        return super()._load_data(name)


def _whole(path: str) -> bool:
    """Return True for a file that ends with the sha256 of what stands before."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return False
    return hashlib.sha256(content[:-DIGEST]).digest() == content[-DIGEST:]
