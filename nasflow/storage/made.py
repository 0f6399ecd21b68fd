"""What a stage was made from: its record says so, and a stage that is there is not made twice.

The record of a stage is the file that it writes last: data.json, or status.json. The entry `made`
of a status.json holds the configuration, the version of the program and the sha256 of the inputs.
That of data.json stands in made.json beside it, because data.json must not change where another
configuration leads to the same images: the later stages depend on its bytes.

Two readers compare the entry with what is wanted now. The workflow does so before it runs anything,
because the notes of Snakemake (the folder `.snakemake`) may be lost while the results are kept. A
stage does so when it starts, because Snakemake also starts the stages after a stage that had to be
repaired.

Records of older versions have no such entry. The workflow then relies on Snakemake alone, and a
stage computes.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from nasflow.config.versions import VERSIONS
from nasflow.storage.files import CorruptFile, read_json, sync, write_json
from nasflow.storage.manifest import facts, paths
from nasflow.storage.own_files import opened, own_folder, remove

MADE = "made"  # the entry of a record
DATA, MADE_DATA = "data.json", "made.json"
KEEP = "NASFLOW_KEEP"  # the workflow sets it to 1 unless the user has forced stages to run again
BESIDE = ".new"  # the folder in which a stage writes until all of its files are complete
Json = Mapping[str, Any]


def made(stage: str, config: str, inputs: Sequence[Path] = (), **names: object) -> dict[str, Any]:
    """Describe what a stage is made from.

    Args:
        stage: the name of its rule, a key of VERSIONS.
        config: its part of the configuration as JSON.
        inputs: data.json and the manifests of checkpoints that it reads. Each holds the sha256 of
            the files beside it. A missing file has the digest "".
        names: what else tells the stage from others, such as its seed.

    Returns:
        Plain data, which is equal where the results are equal.
    """
    digests = [_digest(file) for file in inputs]
    described = {"config": json.loads(config), "version": VERSIONS[stage], "inputs": digests}
    return {"stage": stage, **names, **described}


def recorded(record: Path) -> Json | None:
    """Read what a stage was made from.

    Returns:
        The entry of the record; None where there is no record, it has no such entry, or it cannot
        be read. The reader that needs a damaged record reports it.
    """
    holder = record.with_name(MADE_DATA) if record.name == DATA else record
    try:
        state = os.stat(holder)
    except OSError:
        return None
    found = _entry(holder, state.st_mtime_ns, state.st_size)
    if found is not None and holder != record and found.get("record") != _digest(record):
        return None  # an older nasflow has prepared the images again since
    return found


def write_made_data(folder: Path, described: Json) -> None:
    """Write what the prepared images were made from beside their data.json, which is there."""
    write_json(folder / MADE_DATA, {MADE: {**described, "record": _digest(folder / DATA)}})


def differs(record: Path, wanted: Json) -> str:
    """Say why a stage has to be made again, in a few words; "" where it need not.

    Args:
        record: the record of the stage.
        wanted: what it would be made from now. An input that is missing now is not compared.
    """
    found = recorded(record)
    if found is None:
        return ""
    if found.get("config") != wanted["config"]:
        changed = sorted(_changes(found.get("config"), wanted["config"]))
        return f"the configuration has changed ({'; '.join(changed[:3])})"
    if found.get("version") != wanted["version"]:
        return "it is of another version of the program"
    before, now = found.get("inputs") or [], wanted["inputs"]
    if "" not in now and list(before) != list(now):
        return "its inputs have changed"
    return ""


def kept(record: Path, wanted: Json) -> bool:
    """Return True where the files of a stage are whole and made from what is wanted, and say so.

    It is always False where the user forces stages to run, and outside of the workflow.

    Args:
        record: the record of the stage. It names the files of the stage and their sha256.
        wanted: what the stage would be made from now.
    """
    if forced() or not complete(record, wanted):
        return False
    print(f"nasflow: {record.parent}: is there, from the same inputs; it is kept", file=sys.stderr)
    return True


def forced() -> bool:
    """Return True where each stage must compute: the user forces it, or there is no workflow."""
    return os.environ.get(KEEP) != "1"


def complete(record: Path, wanted: Json) -> bool:
    """Return True where the files of a stage are whole and made from what is wanted.

    Args:
        record: the record of the stage. It names the files of the stage and their sha256.
        wanted: what the stage would be made from now.
    """
    found = recorded(record)
    if found is None or any(found.get(key) != wanted[key] for key in wanted):
        return False
    return _whole(record)


@contextmanager
def beside(folder: Path, record: str) -> Iterator[Path]:
    """Let a stage write its files beside the old ones, which they replace at the end, all at once.

    An error or a full disk within the block leaves the old files as they are. Between the removal
    of the old record and the arrival of the new one, the last file, there is no record. So a stage
    that is killed meanwhile runs again.

    Args:
        folder: the folder of the stage; it is made where it is missing.
        record: the name of the record, which is the last file to take its place.

    Yields:
        The folder to write to.

    Raises:
        ValueError: if a symbolic link or a file has the name of that folder.
    """
    new = folder / BESIDE
    if own_folder(new):  # a stage that was killed has left it
        remove(new)
    new.mkdir(parents=True)
    try:
        yield new
        take_place(new, folder, record)
    finally:
        remove(new)


def take_place(new: Path, folder: Path, record: str) -> None:
    """Move the files of a stage to their places, in an order that a power cut does not change.

    Args:
        new: the folder that holds the new files.
        folder: the folder of the stage, on the same file system.
        record: the name of the record, which is the last file to take its place.
    """
    if (folder / record).exists():
        (folder / record).unlink()
        sync(folder)
    for file in sorted(new.iterdir()):
        if file.name != record:
            os.replace(file, folder / file.name)
    sync(folder)
    os.replace(new / record, folder / record)
    sync(folder)


@lru_cache(maxsize=100_000)
def _entry(record: Path, changed: int, size: int) -> Json | None:
    """Read the entry of a record; the time and the size tell when it has to be read again."""
    try:
        entry = read_json(record).get(MADE)
    except (CorruptFile, AttributeError):
        return None
    return entry if isinstance(entry, dict) else None


def _digest(file: Path) -> str:
    try:
        state = os.stat(file)
        return _sha256(file, state.st_mtime_ns, state.st_size)
    except OSError:
        return ""


@lru_cache(maxsize=100_000)
def _sha256(file: Path, changed: int, size: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _whole(record: Path) -> bool:
    """Return True where each file that a record names is there with its sha256.

    The manifest of a checkpoint names the two other files of the checkpoint.
    """
    try:
        named = dict(read_json(record)["files"])
        for name in [name for name in named if name.endswith(".json")]:
            *parts, manifest = paths(record.with_name(name).with_suffix(""))
            named |= facts(manifest, *(part.name for part in parts))[2]
        return all(_sha256_of(record.with_name(name)) == named[name] for name in named)
    except (ValueError, LookupError, OSError, CorruptFile):
        return False


def _sha256_of(file: Path) -> str:
    with open(file, "rb", opener=opened) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _changes(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Yield each key whose value has changed, as `key: old, now new`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {*old, *new}:
            name = f"{where}.{key}" if where else str(key)
            yield from _changes(old.get(key), new.get(key), name)
    elif old != new:
        yield f"{where}: {json.dumps(old)}, now {json.dumps(new)}"
