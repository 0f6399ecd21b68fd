"""A network on disk: STEM.architecture.json, STEM.safetensors and STEM.json, the manifest.

The manifest is written last and holds the sha256 of the other two, the global step k and the
optimiser that the velocities belong to. No pickle is written or read. Equal networks give equal
bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from nasflow.architecture.architecture import Architecture
from nasflow.network.network import Network
from nasflow.storage.files import CorruptFile, verified, write
from nasflow.storage.manifest import facts, paths, write_manifest


class Checkpoint(NamedTuple):
    network: Network
    k: int
    optimizer: str


def write_checkpoint(stem: Path, network: Network, k: int, optimizer: str) -> str:
    """Replace the checkpoint at `stem`; returns the sha256 of the manifest."""
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
    """Verified: sha256, names, shapes, types, finite values. CorruptFile otherwise."""
    architecture, tensors, manifest = paths(stem)
    k, optimizer, files = facts(manifest, architecture.name, tensors.name)
    described = verified(architecture, files[architecture.name])
    content = verified(tensors, files[tensors.name])
    try:
        g = Architecture.from_json(described.decode())
    except ValueError as error:
        raise CorruptFile(f"{architecture}: {error}") from error
    try:
        flat = load(content)
    except SafetensorError as error:
        raise CorruptFile(f"{tensors}: not safetensors ({error})") from error
    if twice := _named_twice(content):
        raise CorruptFile(f"{tensors}: {twice} stands there twice")
    expected = {f"parameters.{n}": s for n, s in g.tensors.items()}
    expected |= {f"velocity.{n}": s for n, s in g.tensors.items()}
    expected |= {f"buffers.{n}": s for n, s in g.buffers.items()}
    if {n: tuple(t.shape) for n, t in flat.items()} != expected:
        raise CorruptFile(f"{tensors}: tensors do not fit the architecture beside it")
    for name, tensor in flat.items():
        if tensor.dtype != torch.float32 or not bool(torch.isfinite(tensor).all()):
            raise CorruptFile(f"{tensors}: {name} is {tensor.dtype} or not finite")
    x = {n: flat[f"parameters.{n}"] for n in g.tensors}  # in the architecture's order
    buffers = {n: flat[f"buffers.{n}"] for n in g.buffers}
    v = {n: flat[f"velocity.{n}"] for n in g.tensors}
    network = Network(g, x, buffers, v)
    return Checkpoint(network, k, optimizer)


def _named_twice(content: bytes) -> str | None:
    """The first tensor with two entries in the header, of which safetensors reads one."""
    names: list[str] = []
    size = int.from_bytes(content[:8], "little")
    json.loads(content[8 : 8 + size], object_pairs_hook=lambda p: names.extend(k for k, _ in p))
    tensors = [name for name in names if "." in name]
    return next((name for name in tensors if tensors.count(name) > 1), None)
