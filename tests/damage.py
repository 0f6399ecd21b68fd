"""Every kind of file that nasflow reads back, and how its bytes can be damaged."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nasflow.records import curves
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import CorruptFile, read_json
from nasflow.storage.generations import generations
from nasflow.storage.splits import read_split

HOLE = 4096  # bytes; a block of most file systems


class Kind(NamedTuple):
    """A file and its reader, which must refuse the file with CorruptFile once it is damaged."""

    path: Path
    read: Callable[[], object]


def flip(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip one bit."""
    result = bytearray(content)
    result[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    return bytes(result)


def truncate(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(len(content))]


def hole(content: bytes, rng: np.random.Generator) -> bytes:
    """Write zeros over one block at most."""
    start, length = rng.integers(len(content)), rng.integers(1, HOLE)
    part = content[start : start + length]
    return content[:start] + bytes(len(part)) + content[start + len(part) :]


DAMAGES = {"bit flips": (flip, 3), "truncations": (truncate, 1), "holes": (hole, 1)}


def kinds(folder: Path, state: Path) -> dict[str, Kind]:
    """List the kinds of files in results that `small` made, and in a folder with one kept
    state."""
    network, round_1 = folder / "pretrain/network", folder / "whole/nasagd"
    found = {
        "checkpoint, tensors": Kind(
            network.with_suffix(".safetensors"), lambda: read_checkpoint(network)
        ),
        "checkpoint, architecture": Kind(
            network.with_suffix(".architecture.json"), lambda: read_checkpoint(network)
        ),
        "checkpoint, manifest": Kind(
            network.with_suffix(".json"), lambda: read_checkpoint(network)
        ),
        "split": Kind(
            folder / "data/train.safetensors",
            lambda: read_split(folder / "data", "train", "cpu"),
        ),
        "data.json": Kind(
            folder / "data/data.json", lambda: read_split(folder / "data", "train", "cpu")
        ),
        "status.json": Kind(round_1 / "status.json", lambda: read_json(round_1 / "status.json")),
    }
    for path in (
        *(round_1 / f"{table}.parquet" for table in ("particles", "architectures")),
        folder / "pretrain/history.parquet",
    ):
        found[path.name] = Kind(path, partial(_table, path))
    for part in ("manifest.json", "arrays.safetensors", "sibling_1.safetensors"):
        found[f"kept state, {part}"] = Kind(next(state.glob(f"*-*/{part}")), lambda: _kept(state))
    return found


def suffer(kind: Kind, trials: int, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Damage the file of a kind again and again, and yield (damage, outcome) of each trial.

    There are more trials with flipped bits. An outcome is `refused`, `accepted` or the name of
    another exception. The file is whole again afterwards.
    """
    whole = kind.path.read_bytes()
    kind.read()
    for name, (damage, share) in DAMAGES.items():
        for _ in range(share * trials):
            content = damage(whole, rng)
            while content == whole:
                content = damage(whole, rng)
            kind.path.write_bytes(content)
            yield name, _outcome(kind)
    kind.path.write_bytes(whole)


def _outcome(kind: Kind) -> str:
    try:
        kind.read()
    except CorruptFile:
        return "refused"
    except Exception as error:
        return type(error).__name__
    return "accepted"


def count(folder: Path, state: Path, trials: int, rng: np.random.Generator) -> dict[str, Counter]:
    """Count the outcomes for each kind of file."""
    return {
        name: Counter(outcome for _, outcome in suffer(kind, trials, rng))
        for name, kind in kinds(folder, state).items()
    }


def _table(path: Path) -> None:
    curves.table(path.parent, read_json(path.with_name("status.json")), path.name)


def _kept(state: Path) -> None:
    """Read a copy of the state, since a damaged state is removed."""
    copy = state.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(state, copy)
    with contextlib.redirect_stderr(io.StringIO()):
        if not list(generations(copy)):
            raise CorruptFile(f"{state}: no state is whole")
