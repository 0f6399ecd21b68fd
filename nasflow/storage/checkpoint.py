"""A checkpoint is a network on disk, in three files whose names begin with the same stem.

STEM.architecture.json holds the architecture, STEM.safetensors the tensors. STEM.json is the
manifest: it is written last and holds the sha256 of the other two files, the global step k, and
the name of the optimiser that the velocities belong to. No pickle is written or read. Networks
that are equal, with the same k and optimiser, give files that are bit for bit identical.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.architecture_file import LARGEST
from nasflow.network.network import Network, Tensors
from nasflow.storage.contents import verified
from nasflow.storage.files import CorruptFile, write
from nasflow.storage.manifest import facts, paths, write_manifest
from nasflow.storage.tensor_file import tensors as read_tensors


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        network: the architecture with its parameters, buffers and velocities, on the CPU.
        k: the global step, which is the number of training steps that the network has had.
        optimizer: the name of the optimiser that the velocities belong to.
    """

    network: Network
    k: int
    optimizer: str


def write_checkpoint(stem: Path, network: Network, k: int, optimizer: str) -> str:
    """Write a checkpoint; an older one with the same stem is replaced.

    Args:
        stem: the path of the checkpoint without the endings of its files.
        network: the network; its tensors may live on any device.
        k: the global step of the network.
        optimizer: the name of the optimiser that the velocities belong to.

    Returns:
        The sha256 of the manifest, in hexadecimal.
    """
    architecture, tensors, manifest = paths(stem)
    parts = {"parameters": network.x, "buffers": network.buffers, "velocity": network.v}
    flat = {
        f"{part}.{name}": t.detach().cpu().contiguous()
        for part, group in parts.items()
        for name, t in group.items()
    }
    files = {
        architecture.name: write(architecture, network.architecture.to_json().encode()),
        tensors.name: write(tensors, save(flat)),
    }
    return write_manifest(manifest, k, optimizer, files)


def read_checkpoint(stem: Path) -> Checkpoint:
    """Read a checkpoint and check it.

    Args:
        stem: the path of the checkpoint without the endings of its files.

    Returns:
        The network, whose tensors live on the CPU, its global step and its optimiser.

    Raises:
        CorruptFile: if a file is missing or has another sha256 than the manifest states, or if
            the tensors differ from those of the architecture in name or shape, are not float32,
            or hold a value that is not finite.
    """
    architecture, tensors, manifest = paths(stem)
    k, optimizer, files = facts(manifest, architecture.name, tensors.name)
    described = verified(architecture, files[architecture.name], LARGEST)
    content = verified(tensors, files[tensors.name])
    try:
        g = Architecture.from_json(described.decode())
    except ValueError as error:
        raise CorruptFile(f"{architecture}: {error}") from error
    flat = read_tensors(tensors, content)
    _check_fit(tensors, flat, g)
    x = {n: flat[f"parameters.{n}"] for n in g.tensors}  # in the architecture's order
    buffers = {n: flat[f"buffers.{n}"] for n in g.buffers}
    v = {n: flat[f"velocity.{n}"] for n in g.tensors}
    return Checkpoint(Network(g, x, buffers, v), k, optimizer)


def _check_fit(path: Path, flat: Tensors, g: Architecture) -> None:
    """Raise CorruptFile when the tensors are not those of a network with the architecture g."""
    expected = {f"parameters.{n}": s for n, s in g.tensors.items()}
    expected |= {f"velocity.{n}": s for n, s in g.tensors.items()}
    expected |= {f"buffers.{n}": s for n, s in g.buffers.items()}
    if {n: tuple(t.shape) for n, t in flat.items()} != expected:
        raise CorruptFile(f"{path}: tensors do not fit the architecture beside it")
    for name, tensor in flat.items():
        if tensor.dtype != torch.float32 or not bool(torch.isfinite(tensor).all()):
            raise CorruptFile(
                f"{path}: {name} is {tensor.dtype} or not finite; expected float32 and finite"
            )
