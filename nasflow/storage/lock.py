"""One writer a folder: a lock that ends with its process, and says who holds it.

flock on `.lock` in the folder, which the kernel gives back however the holder dies; an orphan whose
Snakemake was killed still holds it. Over NFS it needs a server with lockd.
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

NAME = ".lock"


class Held(Exception):
    """Another process writes to this folder: one line, exit code 75."""


@contextmanager
def writer(folder: Path) -> Iterator[None]:
    """The only writer of `folder`. Held, with the holder's process, host and start, otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    file = take(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def take(path: Path) -> int:
    """The locked file's descriptor, for as long as it is open."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            who = os.pread(file, 1000, 0).decode() or "another process"
            os.close(file)
            raise Held(
                f"{path.parent}: {who} writes there; wait for it or end it, then run the same "
                "command again"
            ) from error
        if _stands(file, path):
            break
        os.close(file)  # the last holder removed it between our open and our lock
    os.truncate(file, 0)
    began = time.strftime("%Y-%m-%d %H:%M:%S")
    os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()} since {began}".encode(), 0)
    return file


def _stands(file: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), os.stat(path))
    return False
