"""Snapshots on disk, a folder each, of which the last two stay.

`{step}-{sha256 of its manifest.json}/` holds sibling_{i}.safetensors, arrays.safetensors and
the manifest with their sha256, the loop's facts and those about the attempt. A folder gets its name
once all of it is on the disk, so it is whole or damaged later, which its name tells. No pickle;
floats in JSON are exact, and NaN is NaN, as Python writes it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import numpy as arrays_of
from safetensors import torch as tensors_of

from nasflow.storage.files import CorruptFile, verified, write
from nasflow.training.snapshot import Snapshot

KEPT = 2
MANIFEST, ARRAYS = "manifest.json", "arrays.safetensors"


class Generation(NamedTuple):
    """`about`: what the attempt that wrote it says of itself."""

    name: str
    about: dict[str, Any]
    snapshot: Snapshot


def write_generation(folder: Path, snapshot: Snapshot, about: dict[str, Any]) -> None:
    """The newest one of `folder`; older ones than the last KEPT go."""
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
    """The newest first; what is damaged is removed, with a line on stderr. Also clears away what
    attempts that were killed left half-written."""
    for draft in folder.glob("*.tmp"):
        shutil.rmtree(draft) if draft.is_dir() else draft.unlink()
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
    """Remove a generation; killed halfway, the rest of it is no generation any more."""
    gone = folder / f"{name}.tmp"
    (folder / name).rename(gone)
    shutil.rmtree(gone)


def _read(folder: Path, name: str) -> Generation:
    here = folder / name
    manifest = json.loads(verified(here / MANIFEST, name.split("-")[1]))

    def content(part: str) -> bytes:
        return verified(here / part, manifest["files"][part])

    siblings = [tensors_of.load(content(_sibling(i))) for i in range(manifest["siblings"])]
    arrays = arrays_of.load(content(ARRAYS))
    snapshot = Snapshot(manifest["step"], manifest["facts"], arrays, siblings)
    return Generation(name, manifest["about"], snapshot)


def _names(folder: Path) -> list[str]:
    """Newest first."""
    names = [path.name for path in folder.glob("*-*") if path.suffix != ".tmp"]
    return sorted(names, key=lambda name: -int(name.split("-")[0]))


def _sibling(i: int) -> str:
    return f"sibling_{i}.safetensors"


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
