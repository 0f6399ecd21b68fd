"""Tasks of known costs, shared among ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nasflow.particles.flow import Vector

ROUNDING = 1e-9  # of a load: less is no gain


def spread(costs: Sequence[float], size: int) -> list[int]:
    """The rank of each of the tasks: the dearest first, each to the rank with the least to do (at
    most 4/3 of the best, Graham 1969); then tasks change hands for as long as that helps the rank
    with most to do. Of nine siblings on two ranks the first leaves one with 6 % more than half."""
    load: Vector = np.zeros(size)
    owner = np.zeros(len(costs), dtype=np.int64)
    for i in sorted(range(len(costs)), key=lambda i: -costs[i]):
        owner[i] = np.argmin(load)
        load[owner[i]] += costs[i]
    while exchange := _exchange(np.asarray(costs), owner, load):
        given, taken, receiver = exchange
        giver = owner[given]
        owner[given] = receiver
        if taken is not None:
            owner[taken] = giver
        load = np.bincount(owner, weights=costs, minlength=size).astype(np.float64)
    return [int(rank) for rank in owner]


def _exchange(
    costs: Vector, owner: NDArray[np.int64], load: Vector
) -> tuple[int, int | None, int] | None:
    """The task that the rank with most to do gives away, the one that it takes for it, and the
    rank that it deals with, such that the two are done soonest; None where nothing helps."""
    giver = int(np.argmax(load))
    mine, theirs = np.flatnonzero(owner == giver), np.flatnonzero(owner != giver)
    others = np.flatnonzero(np.arange(len(load)) != giver)
    if not len(mine) or not len(others):
        return None
    receivers = np.concatenate([owner[theirs], others])  # for a task of theirs, or for nothing
    moved = costs[mine][:, None] - np.concatenate([costs[theirs], np.zeros(len(others))])
    later = np.maximum(load[giver] - moved, load[receivers] + moved)
    i, j = np.unravel_index(np.argmin(later), later.shape)
    if later[i, j] >= load[giver] * (1.0 - ROUNDING):
        return None
    taken = int(theirs[j]) if j < len(theirs) else None
    return int(mine[i]), taken, int(receivers[j])


def longest(costs: Sequence[float], owner: Sequence[int]) -> float:
    """What the rank with most to do has to do."""
    return float(np.bincount(owner, weights=np.asarray(costs)).max())
