"""A morphism as an affine map on parameters: x' = L x + c, v' = L v.

L only ever selects: every entry of a tensor of the child is either an entry of the parent's tensor
or new. So a rewrite names, for the tensors it changes, the parent's index along each axis (-1
where new) and the constant c of the new entries. Tensors it does not name carry over by name,
copied; velocities take zeros where c stands. Positive and negative morphisms, running statistics
and velocities all pass through this one function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nasflow.architecture.architecture import Architecture
from nasflow.network.network import Network, Tensors

Index = tuple[int, ...]


@dataclass(frozen=True)
class Change:
    """One tensor of the child: `axes` maps an axis to the parent's indices (-1: new); `constant`
    holds the new entries (a whole tensor of the child's shape, or a number)."""

    axes: Mapping[int, Index] = field(default_factory=dict)
    constant: Tensor | float = 0.0


def transfer(parent: Network, child: Architecture, changes: Mapping[str, Change]) -> Network:
    """The child's network; the parent is neither changed nor aliased."""
    x = {n: _tensor(parent.x, n, s, changes.get(n)) for n, s in child.tensors.items()}
    buffers = {n: _tensor(parent.buffers, n, s, changes.get(n)) for n, s in child.buffers.items()}
    v = {
        n: _tensor(parent.v, n, s, Change(changes[n].axes) if n in changes else None)
        for n, s in child.tensors.items()
    }
    return Network(child, x, buffers, v)


def _tensor(source: Tensors, name: str, shape: tuple[int, ...], change: Change | None) -> Tensor:
    if change is None:
        result = source[name].clone()
        assert tuple(result.shape) == shape, f"{name}: {tuple(result.shape)} is not {shape}"
        return result
    like = next(iter(source.values()))
    result = torch.zeros(shape, dtype=like.dtype, device=like.device)
    result += torch.as_tensor(change.constant, dtype=like.dtype, device=like.device)
    if name not in source:
        return result
    old, target = source[name], []
    for axis, length in enumerate(shape):
        index = torch.tensor(change.axes.get(axis, range(length)), device=like.device)
        assert len(index) == length, f"{name}: axis {axis} has {len(index)} indices for {length}"
        kept = (index >= 0).nonzero()[:, 0]
        target.append(kept)
        old = old.index_select(axis, index[kept])
    result[torch.meshgrid(*target, indexing="ij")] = old
    return result
