"""What happens to weights when channels come or go: for `widen`, `narrow` and `disconnect`.

A convolution with more or fewer filters hands on more or fewer channels, and every layer that reads
them needs a weight for each. The functions here follow the channels through the graph and say, for
each tensor that changes, which of its entries come from the parent (see `rewrite`).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import HEADS, POOLS
from nasflow.network.network import Network
from nasflow.network.rewrite import Change, transfer

Changes = dict[str, Change]


def resize(network: Network, conv: int, keep: tuple[int, ...], rng: np.random.Generator) -> Network:
    """Give a convolution, and all convolutions that adds tie to it, another list of filters.

    New filters get random weights and a BatchNorm at identity. A layer that reads the channels of
    new filters has weights of zero for them, so that new filters change nothing at first.

    Args:
        network: the parent; it stays as it is.
        conv: the id of the convolution; its group is `Architecture.tied`.
        keep: for each filter of the child the number of the parent's filter, or -1 for a new one.
        rng: draws the weights of the new filters.

    Returns:
        The child. Its function is that of the parent if `keep` holds every filter of the parent in
        order, followed by any number of -1.
    """
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
    """Return the parent's number of each channel of `source` after the resize; -1: a new one."""
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
    """Draw weights: new rows (filters) are Kaiming-normal, but zero in new columns (channels).

    Rows and columns that are not new are zero; the parent's weights replace them.
    """
    new = np.array(keep)[:, None] < 0
    old = np.array(columns)[None, :] >= 0
    scale = math.sqrt(2.0 / max(1, int(old.sum()) * shape[2] * shape[3]))
    return torch.tensor(rng.standard_normal(shape) * scale * (new & old)[:, :, None, None])


def without(g: Architecture, join: int) -> Changes:
    """Say which tensors change when an add or a concatenation hands on its first input alone.

    Args:
        g: the architecture of the parent.
        join: the id of the add or of the concatenation.

    Returns:
        For each tensor that loses input channels the numbers of those that remain. Behind an add
        no channel is lost, so that the result is empty.
    """
    kept: dict[int, tuple[int, ...]] = {}  # for each node the channels that remain
    changes: Changes = {}
    for node in g.nodes:
        channels = range(g.shapes[node.id][0])
        before = kept.get(node.inputs[0], ()) if node.inputs else ()
        if node.id == join or node.op in (*POOLS, "add"):
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
