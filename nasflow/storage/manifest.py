"""The manifest of a checkpoint, STEM.json, is read, written and copied here without torch.

A checkpoint is a network on disk, in three files whose names begin with the same stem; the
manifest holds the sha256 of the other two.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nasflow.storage.files import CorruptFile, read_json, verified, write, write_json


def paths(stem: Path) -> tuple[Path, Path, Path]:
    """Return the paths of the architecture, the tensors and the manifest of a checkpoint."""
    return tuple(
        stem.with_name(stem.name + s) for s in (".architecture.json", ".safetensors", ".json")
    )  # type: ignore[return-value]


def write_manifest(manifest: Path, k: int, optimizer: str, files: Mapping[str, str]) -> str:
    """Write the manifest of a checkpoint.

    Args:
        manifest: the file; an older one is replaced.
        k: the global step of the network.
        optimizer: the name of the optimiser that the velocities belong to.
        files: maps the name of each file beside the manifest to its sha256, in hexadecimal.

    Returns:
        The sha256 of the manifest, in hexadecimal.
    """
    return write_json(manifest, {"schema": 1, "k": k, "optimizer": optimizer, "files": files})


def copy_checkpoint(stem: Path, to: Path) -> None:
    """Copy a checkpoint to another stem, without decoding its tensors.

    The copies of the architecture and of the tensors are bit for bit identical to the originals.
    The manifest is written anew, because it names the files.

    Args:
        stem: the stem of the checkpoint that is copied.
        to: the stem of the copy.

    Raises:
        CorruptFile: if a file is missing or has another sha256 than the manifest states.
    """
    *parts, manifest = paths(stem)
    k, optimizer, known = facts(manifest, *(part.name for part in parts))
    contents = [verified(part, known[part.name]) for part in parts]
    *copies, written = paths(to)
    files = {copy.name: write(copy, c) for copy, c in zip(copies, contents, strict=True)}
    write_manifest(written, k, optimizer, files)


def facts(manifest: Path, *names: str) -> tuple[int, str, dict[str, str]]:
    """Read the manifest of a checkpoint.

    Args:
        manifest: the file.
        names: the names of the files beside it whose sha256 is wanted.

    Returns:
        The global step k, the name of the optimiser, and the sha256 of each named file.

    Raises:
        CorruptFile: if the manifest is missing, damaged, or not the manifest of a checkpoint.
    """
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
