"""A generation is a snapshot of a loop on disk. Each has its own folder; the last two are kept.

The folder `{step}-{sha256 of its manifest.json}` holds sibling_{i}.safetensors, arrays.safetensors
and manifest.json. The manifest holds the sha256 of the other files, the facts of the loop and the
facts about the attempt that wrote it. A folder gets its name only when all its files are on the
disk, so a folder with such a name was once whole, and the sha256 in its name shows later damage.
No pickle is written or read. Floats in JSON are exact, and NaN is written as Python writes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import numpy as arrays_of
from safetensors import torch as tensors_of

from nasflow.storage.contents import verified
from nasflow.storage.files import CorruptFile, write
from nasflow.storage.own_files import DRAFT, own_folder, remove
from nasflow.training.snapshot import Snapshot

KEPT = 2  # generations that stay on the disk
MANIFEST, ARRAYS = "manifest.json", "arrays.safetensors"
# Only what has one of these names is ever read as a generation, or deleted.
NAME = re.compile(r"[0-9]+-[0-9a-f]{64}")
HALF = re.compile(rf"(?:[0-9]+\.[0-9]+|{NAME.pattern})\.tmp|{DRAFT.pattern}")


class Generation(NamedTuple):
    """A snapshot that was read from the disk.

    Attributes:
        name: the name of its folder.
        about: what the attempt that wrote the snapshot says about itself; see `Attempt`.
        snapshot: the state of the loop; its tensors live on the CPU.
    """

    name: str
    about: dict[str, Any]
    snapshot: Snapshot


def write_generation(folder: Path, snapshot: Snapshot, about: dict[str, Any]) -> None:
    """Write a snapshot as the newest generation, and remove all but the last KEPT generations.

    Args:
        folder: the folder of all generations of a stage.
        snapshot: the state of the loop.
        about: plain data about the attempt that writes.

    Raises:
        OSError: if the disk is full or the folder cannot be written. A half-written generation
            is removed first.
        ValueError: if a symbolic link stands at the place of the folder.
    """
    own_folder(folder)
    parts = {ARRAYS: arrays_of.save(dict(snapshot.arrays))}
    parts |= {_sibling(i): tensors_of.save(t) for i, t in enumerate(snapshot.siblings)}
    draft = folder / f"{snapshot.step}.{os.getpid()}.tmp"
    try:
        manifest = {
            "step": snapshot.step,
            "about": about,
            "facts": snapshot.facts,
            "siblings": len(snapshot.siblings),
            "files": {name: write(draft / name, content) for name, content in parts.items()},
        }
        sha256 = write(draft / MANIFEST, json.dumps(manifest, indent=1).encode())
        draft.rename(folder / f"{snapshot.step}-{sha256}")
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _sync(folder)
    for name in _names(folder)[KEPT:]:
        drop(folder, name)


def generations(folder: Path) -> Iterator[Generation]:
    """Read the generations of a stage, the newest first.

    A damaged generation is removed, and one line on stderr says so. What killed attempts have left
    half-written is removed too. Files and folders with names that are not ours stay as they are.

    Args:
        folder: the folder of all generations of the stage; it need not exist.

    Yields:
        Each generation that is whole.

    Raises:
        ValueError: if a symbolic link stands at the place of the folder.
    """
    if not own_folder(folder):
        return
    for draft in _half(folder):
        remove(draft)
    for name in _names(folder):
        try:
            generation = _read(folder, name)
        except CorruptFile as error:
            reason = str(error).split("; rerun", 1)[0]
            print(f"nasflow: {reason}; this state is damaged and not used", file=sys.stderr)
            drop(folder, name)
        else:
            yield generation


def drop(folder: Path, name: str) -> None:
    """Remove the generation of that name.

    The folder is renamed first. A process that is killed halfway leaves a folder that no longer
    counts as a generation.
    """
    gone = folder / f"{name}.tmp"
    (folder / name).rename(gone)
    remove(gone)


def clear(folder: Path, *names: str) -> None:
    """Remove all generations of a stage, and their folder when nothing else is in it.

    Args:
        folder: the folder of all generations of the stage; it need not exist.
        names: files in the folder that are removed too.
    """
    if not own_folder(folder):
        return
    for name in _names(folder):
        drop(folder, name)
    files = (folder / name for name in names)
    for path in (*_half(folder), *(file for file in files if os.path.lexists(file))):
        remove(path)
    with contextlib.suppress(OSError):  # it is not empty
        folder.rmdir()


def _read(folder: Path, name: str) -> Generation:
    """Read one generation; raise CorruptFile when a file of it is missing or damaged."""
    here = folder / name
    manifest = json.loads(verified(here / MANIFEST, name.split("-")[1]))

    def content(part: str) -> bytes:
        return verified(here / part, manifest["files"][part])

    siblings = [tensors_of.load(content(_sibling(i))) for i in range(manifest["siblings"])]
    arrays = arrays_of.load(content(ARRAYS))
    snapshot = Snapshot(manifest["step"], manifest["facts"], arrays, siblings)
    return Generation(name, manifest["about"], snapshot)


def _names(folder: Path) -> list[str]:
    """Return the names of the generations, the newest first."""
    found = [path for path in folder.glob("*-*") if NAME.fullmatch(path.name)]
    names = [path.name for path in found if path.is_dir() and not path.is_symlink()]
    return sorted(names, key=lambda name: -int(name.split("-")[0]))


def _half(folder: Path) -> list[Path]:
    """Return what a killed process has left half-written."""
    return [path for path in folder.glob("*.tmp") if HALF.fullmatch(path.name)]


def _sibling(i: int) -> str:
    return f"sibling_{i}.safetensors"


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
