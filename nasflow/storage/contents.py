"""The contents of files that nasflow wrote, which are read from regular files only."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from nasflow.printable import printable
from nasflow.storage.record import CorruptFile

RERUN = "rerun the stage that writes it"


@contextmanager
def _regular(path: Path, most: int | None = None) -> Iterator[BufferedReader]:
    """Open a regular file that nasflow wrote.

    A pipe would never end and a device could fill the memory; a symbolic link may lead to either,
    or to a file of the user's that is none of the results. So none of them is opened.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                raise CorruptFile(f"{path}: no regular file; remove it and {RERUN}")
            if most is not None and facts.st_size > most:
                raise CorruptFile(
                    f"{path}: {facts.st_size} bytes; expected at most {most}; {RERUN}"
                )
            with open(handle, "rb", closefd=False) as file:
                yield file
        finally:
            os.close(handle)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CorruptFile(f"{path}: missing; {RERUN}") from error
    except OSError as error:
        if path.is_symlink():
            raise CorruptFile(f"{path}: a symbolic link; expected the file itself") from error
        raise CorruptFile(f"{path}: cannot be read ({error.strerror}); {RERUN}") from error
    except ValueError as error:  # a zero byte in the path
        raise CorruptFile(f"{path}: cannot be read ({error}); {RERUN}") from error


def read(path: Path, most: int | None = None) -> bytes:
    """Read a regular file that nasflow wrote.

    Args:
        path: the file.
        most: the largest number of bytes that is allowed; None allows any.

    Returns:
        The content of the file.

    Raises:
        CorruptFile: if the file is missing, is no regular file, is too large or cannot be read.
    """
    with _regular(path, most) as file:
        return file.read() if most is None else file.read(most)


def verified(path: Path, sha256: str, most: int | None = None) -> bytes:
    """Read a file whose sha256 is known.

    Args:
        path: the file.
        sha256: the expected sha256, in hexadecimal.
        most: the largest number of bytes that is allowed; None allows any.

    Returns:
        The content of the file.

    Raises:
        CorruptFile: if the file is missing, is no regular file or has another sha256.
    """
    content = read(path, most)
    _compare(path, hashlib.sha256(content).hexdigest(), sha256)
    return content


def check_sha256(path: Path, sha256: str) -> None:
    """Compare a file with its sha256, piece by piece: a file of any size takes little memory.

    Args:
        path: the file.
        sha256: the expected sha256, in hexadecimal.

    Raises:
        CorruptFile: if the file is missing, is no regular file or has another sha256.
    """
    with _regular(path) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    _compare(path, found, sha256)


def _compare(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise CorruptFile(
            f"{path}: sha256 {found[:12]}, expected {printable(expected[:12])}; {RERUN}"
        )
