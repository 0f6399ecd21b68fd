"""The manifest of a checkpoint, STEM.json, is read, written and copied here without torch.

A checkpoint is a network on disk, in three files whose names begin with the same stem; the
manifest holds the sha256 of the other two.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.architecture_file import LARGEST
from nasflow.storage.contents import verified
from nasflow.storage.files import CorruptFile, read_json, write, write_json
from nasflow.storage.shapes import MANIFEST


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
    known = read_json(manifest, MANIFEST)
    files = known["files"]
    return known["k"], known["optimizer"], {name: files[name] for name in names}


def read_architecture(stem: Path) -> Architecture:
    """Read the architecture of a checkpoint, without its tensors.

    Args:
        stem: the path of the checkpoint without the endings of its files.

    Raises:
        CorruptFile: if the manifest or the architecture is missing or damaged, or if the manifest
            states another sha256.
    """
    path, _, manifest = paths(stem)
    content = verified(path, facts(manifest, path.name)[2][path.name], LARGEST)
    try:
        return Architecture.from_json(content.decode())
    except ValueError as error:
        raise CorruptFile(f"{path}: {error}; rerun the stage that writes it") from error
