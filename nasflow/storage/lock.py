"""A lock that lets one process write to a folder; it names its holder and ends with it.

The lock is a flock on the file `.lock` in the folder. The kernel releases it when the holder ends,
whatever the reason. A stage whose Snakemake was killed goes on running and still holds its lock.
Over NFS the lock needs a server with lockd.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasflow.storage.own_files import opened

NAME = ".lock"


class Held(Exception):
    """Another process writes to the folder. The command prints one line and ends with code 75."""


@contextmanager
def writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder while the context lasts.

    Args:
        folder: the folder to write to; it is made where it is missing.

    Raises:
        Held: if another process holds the lock. The message names its process id, its host and
            the time when it took the lock.
        ValueError: if something that is no lock of nasflow has the name of the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    file = take(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def take(path: Path) -> int:
    """Lock a file and write the holder's process id, host and time into it.

    What stood in the file is lost, so the file must be a lock: a link is not followed, and a file
    with other text than that of a lock is left alone.

    Args:
        path: the file; it is made where it is missing.

    Returns:
        The file descriptor. The lock lasts until it is closed.

    Raises:
        Held: if another process holds the lock.
        ValueError: if the file is a symbolic link, no regular file, or no lock of nasflow.
    """
    while True:
        file = opened(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            who = os.pread(file, 1000, 0).decode(errors="replace") or "another process"
            os.close(file)
            raise Held(
                f"{path.parent}: {who} writes to this folder; wait for it or end it, then run the "
                "same command again"
            ) from error
        if _stands(file, path):
            break
        os.close(file)  # the former holder removed the file between our open and our lock
    if not _is_lock(os.pread(file, 1000, 0)):
        os.close(file)
        raise ValueError(
            f"{path}: this file is no lock of nasflow; expected no file of that name; move it away"
        )
    os.truncate(file, 0)
    began = time.strftime("%Y-%m-%d %H:%M:%S")
    os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()} since {began}".encode(), 0)
    return file


def _is_lock(text: bytes) -> bool:
    """Return True for the text of a lock, which may be empty, or zeros after a power cut."""
    return not text.strip(b"\0") or text.startswith(b"process ")


def _stands(file: int, path: Path) -> bool:
    """Return True when the open file is still the one at `path`, and not a removed one."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), os.lstat(path))
    return False
