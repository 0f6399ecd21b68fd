"""Files that nasflow opens, appends to or deletes as its own: locks, logs, kept states, copies.

A folder from somebody else may hold, under the name of such a file, a symbolic link that leads to
a file of the user. So a file of our own is never opened through a link, and it must be a regular
file. Links in the folders above it are followed, because `results` itself may be a link to another
disk.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

# What `nasflow.storage.files.write` names a file until it is complete.
DRAFT = re.compile(r"\..+\.[0-9]+\.tmp")


def opened(path: str | Path, flags: int) -> int:
    """Open a regular file that is not a symbolic link; `open` takes this function as its `opener`.

    Args:
        path: the file.
        flags: the flags of `os.open`.

    Returns:
        The file descriptor.

    Raises:
        ValueError: if a symbolic link, a folder, a FIFO or a device stands there.
        OSError: if the file cannot be opened for another reason.
    """
    try:
        # O_NONBLOCK: opening a FIFO would wait for the program at its other end.
        file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise refusal(path) from error
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise refusal(path)
    return file


def content(path: Path) -> bytes:
    """Read a regular file that is not a symbolic link; the errors are those of `opened`."""
    with open(path, "rb", opener=opened) as file:
        return file.read()


def refusal(path: str | Path) -> ValueError:
    """Return the error about something at the place of a file or folder of ours that is no such."""
    return ValueError(
        f"{path}: a symbolic link, or no regular file; expected a file or folder that nasflow has"
        " made itself; move it away"
    )


def own_folder(path: Path) -> bool:
    """Return True for a folder of ours, and False where nothing stands at the path.

    Raises:
        ValueError: if a symbolic link or a file stands there.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(mode):
        raise refusal(path)
    return True


def obstacle(folders: Iterable[Path]) -> str | None:
    """Say what stands where a folder of results is or will be made, or return None.

    Args:
        folders: the folders; those above them are looked at, too.

    Returns:
        One line about the first file or broken link on the way.
    """
    for place in dict.fromkeys(part for one in folders for part in (*reversed(one.parents), one)):
        if os.path.lexists(place) and not place.is_dir():
            return f"{place}: no folder; expected a folder, or nothing, at this place; move it away"
    return None


def drafts(folder: Path) -> Iterator[Path]:
    """List the files in a folder that `nasflow.storage.files.write` has not completed."""
    for path in folder.glob(".*.tmp"):
        if DRAFT.fullmatch(path.name) and not path.is_dir():
            yield path


def remove(path: Path) -> None:
    """Delete a folder of ours with all that is in it, or a file, or a link itself."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)  # it does not follow links below the folder either
    else:
        path.unlink()
