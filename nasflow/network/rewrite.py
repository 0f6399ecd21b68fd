"""A morphism as an affine map on parameters: x' = L x + c, v' = L v.

Here x are all parameters of the parent, and v their velocities (what the update rule keeps from
step to step); x' and v' are those of the child. L almost always selects: each entry of a tensor of
the child is either an entry of the parent's tensor of the same name, or new. So a rewrite is
described by two things for each tensor that it changes: the parent's index along each axis (-1 for
a new entry), and the constant c, which holds the new entries. Where a head reads its map in another
way, its weights pass through another linear map instead (`Change.linear`).

A tensor that the rewrite does not name is copied under its name. The ids of nodes are stable, so
that the names of untouched layers are the same in parent and child. Velocities are zero where c
stands, because a new entry has no past. Running statistics follow the same rule as parameters. All
morphisms, whether they preserve the function or not, pass through the one function `transfer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from nasflow.architecture.architecture import Architecture
from nasflow.network.network import Network, Tensors

Index = tuple[int, ...]


@dataclass(frozen=True)
class Change:
    """How one tensor of the child is made from the parent's tensor of the same name.

    Attributes:
        axes: for an axis, the parent's index of each entry along it, or -1 for a new entry. An axis
            that is missing here is kept as it is.
        constant: the new entries: a tensor of the child's shape, or one number for all. Where an
            entry comes from the parent, the constant is not used.
        linear: makes the whole tensor of the child from that of the parent, by a linear map; `axes`
            and `constant` are not used then.
    """

    axes: Mapping[int, Index] = field(default_factory=dict)
    constant: Tensor | float = 0.0
    linear: Callable[[Tensor], Tensor] | None = None


def transfer(parent: Network, child: Architecture, changes: Mapping[str, Change]) -> Network:
    """Make the network of the child: x' = L x + c, v' = L v.

    Args:
        parent: the network to start from. It is not changed, and the child shares no memory with
            it.
        child: the architecture of the child.
        changes: the tensors that change, by their name in the child. A tensor that the parent does
            not have must be named here. Names that the child does not have are ignored.

    Returns:
        The child, with its tensors on the device and in the type of the parent's.
    """
    x = {n: _tensor(parent.x, n, s, changes.get(n)) for n, s in child.tensors.items()}
    buffers = {n: _tensor(parent.buffers, n, s, changes.get(n)) for n, s in child.buffers.items()}
    v = {
        n: _tensor(parent.v, n, s, replace(changes[n], constant=0.0) if n in changes else None)
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
    if change.linear is not None:
        return result.copy_(change.linear(source[name]))
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
