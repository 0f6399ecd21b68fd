"""What becomes of weights when channels come or go: behind widen, narrow and disconnect."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import HEADS
from nasflow.network.network import Network
from nasflow.network.rewrite import Change, transfer

Changes = dict[str, Change]


def resize(network: Network, conv: int, keep: tuple[int, ...], rng: np.random.Generator) -> Network:
    """Filters of the group of `conv` become those of the parent at `keep` (-1: new and random)."""
    g = network.architecture
    group = g.tied(conv)
    nodes = tuple(replace(n, width=len(keep)) if n.id in group else n for n in g.nodes)
    child = Architecture(nodes, g.size)
    changes: Changes = {}
    for node in g.nodes:
        name = str(node.id)
        if node.id in group:
            rows: dict[int, tuple[int, ...]] = {0: keep}
            for tensor in ("scale", "shift", "mean", "variance"):
                fill = 1.0 if tensor in ("scale", "variance") else 0.0
                changes[f"{name}.{tensor}"] = Change(rows, fill)
        else:
            rows = {}
        if node.op in ("conv", "add", *HEADS):
            columns = _columns(g, node.inputs[0], group, keep)
            if node.op == "add":
                changes[f"{name}.mix"] = Change({0: columns}, 1.0)
            elif rows or len(columns) != g.shapes[node.inputs[0]][0]:
                fresh = _fresh(child.tensors[f"{name}.weight"], keep, columns, rng) if rows else 0.0
                changes[f"{name}.weight"] = Change({**rows, 1: columns}, fresh)
    return transfer(network, child, changes)


def _columns(
    g: Architecture, source: int, group: frozenset[int], keep: tuple[int, ...]
) -> tuple[int, ...]:
    """Parent's channel of each channel of `source` after the resize, -1 where new."""
    columns: list[int] = []
    start = 0
    for segment in g.segments[source]:
        width = g[segment].width
        kept = keep if segment in group else range(width)
        columns += [start + i if i >= 0 else -1 for i in kept]
        start += width
    return tuple(columns)


def _fresh(
    shape: tuple[int, ...],
    keep: tuple[int, ...],
    columns: tuple[int, ...],
    rng: np.random.Generator,
) -> Tensor:
    """Kaiming-normal rows where keep is -1, but zero in every column that is new as well."""
    new = np.array(keep)[:, None] < 0
    old = np.array(columns)[None, :] >= 0
    scale = math.sqrt(2.0 / max(1, int(old.sum()) * shape[2] * shape[3]))
    return torch.tensor(rng.standard_normal(shape) * scale * (new & old)[:, :, None, None])


def without(g: Architecture, join: int) -> Changes:
    """What changes when an add or a concatenation hands on its first input alone."""
    kept: dict[int, tuple[int, ...]] = {}  # channels of every node that remain
    changes: Changes = {}
    for node in g.nodes:
        channels = range(g.shapes[node.id][0])
        before = kept.get(node.inputs[0], ()) if node.inputs else ()
        if node.id == join or node.op in ("pool", "add"):
            kept[node.id] = before
        elif node.op == "concat":
            widths = [g.shapes[i][0] for i in node.inputs]
            starts = [sum(widths[:n]) for n in range(len(widths))]
            pairs = zip(node.inputs, starts, strict=True)
            kept[node.id] = tuple(start + c for i, start in pairs for c in kept[i])
        else:
            kept[node.id] = tuple(channels)
        if node.inputs and len(before) < g.shapes[node.inputs[0]][0] and node.id != join:
            axis, tensor = (0, "mix") if node.op == "add" else (1, "weight")
            if node.op in ("conv", "add", *HEADS):
                changes[f"{node.id}.{tensor}"] = Change({axis: before})
    return changes
