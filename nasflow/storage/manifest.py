"""The manifest of a checkpoint, STEM.json: read, written and copied without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nasflow.storage.files import CorruptFile, read_json, verified, write, write_json


def paths(stem: Path) -> tuple[Path, Path, Path]:
    """The architecture, the tensors, the manifest."""
    return tuple(
        stem.with_name(stem.name + s) for s in (".architecture.json", ".safetensors", ".json")
    )  # type: ignore[return-value]


def write_manifest(manifest: Path, k: int, optimizer: str, files: Mapping[str, str]) -> str:
    """`files`: name -> sha256 of what lies beside it. The sha256 of the manifest."""
    return write_json(manifest, {"schema": 1, "k": k, "optimizer": optimizer, "files": files})


def copy_checkpoint(stem: Path, to: Path) -> None:
    """The same bytes under another name, each checked by its sha256."""
    *parts, manifest = paths(stem)
    k, optimizer, known = facts(manifest, *(part.name for part in parts))
    contents = [verified(part, known[part.name]) for part in parts]
    *copies, written = paths(to)
    files = {copy.name: write(copy, c) for copy, c in zip(copies, contents, strict=True)}
    write_manifest(written, k, optimizer, files)


def facts(manifest: Path, *names: str) -> tuple[int, str, dict[str, str]]:
    """k, the optimiser, and the sha256 of the named files."""
    known = read_json(manifest)
    try:
        k, optimizer = known["k"], known["optimizer"]
        files = {name: str(known["files"][name]) for name in names}
    except (LookupError, TypeError) as error:
        raise CorruptFile(
            f"{manifest}: {error!r} is missing; no manifest of a checkpoint"
        ) from error
    if type(k) is not int or k < 0 or not isinstance(optimizer, str):
        raise CorruptFile(f"{manifest}: k {k}, optimizer {optimizer}; no manifest of a checkpoint")
    return k, optimizer, files
