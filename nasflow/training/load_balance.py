"""How tasks of known costs are distributed over ranks, so that all ranks end at about one time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nasflow.particles.flow import Vector

ROUNDING = 1e-9  # smallest fraction of a load that counts as a gain


def spread(costs: Sequence[float], size: int) -> list[int]:
    """Assign each task to a rank.

    First, the tasks are assigned in the order of falling costs, each to the rank with the smallest
    load so far. The largest load is then at most 4/3 of the best possible one (Graham 1969). After
    that, tasks move between ranks as long as this lowers the load of the busiest rank. For nine
    siblings on two ranks, the first part alone leaves one rank with 6 % more than half of the work.

    Args:
        costs: the cost of each task, in any unit.
        size: the number of ranks.

    Returns:
        The rank of each task, from 0 to size - 1.
    """
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
    """Find the best exchange between the busiest rank, the giver, and another rank, the receiver.

    The best exchange is the one after which the busier of the two has the smallest load. Returns
    the task that the giver gives, the task that it takes in return (or None) and the receiver.
    Returns None if no exchange lowers the load of the giver.
    """
    giver = int(np.argmax(load))
    mine, theirs = np.flatnonzero(owner == giver), np.flatnonzero(owner != giver)
    others = np.flatnonzero(np.arange(len(load)) != giver)
    if not len(mine) or not len(others):
        return None
    receivers = np.concatenate([owner[theirs], others])  # in return for a task, or for nothing
    moved = costs[mine][:, None] - np.concatenate([costs[theirs], np.zeros(len(others))])
    later = np.maximum(load[giver] - moved, load[receivers] + moved)
    i, j = np.unravel_index(np.argmin(later), later.shape)
    if later[i, j] >= load[giver] * (1.0 - ROUNDING):
        return None
    taken = int(theirs[j]) if j < len(theirs) else None
    return int(mine[i]), taken, int(receivers[j])


def longest(costs: Sequence[float], owner: Sequence[int]) -> float:
    """Return the load of the busiest rank.

    Args:
        costs: the cost of each task.
        owner: the rank of each task, as `spread` returns it.

    Returns:
        The sum of the costs of that rank's tasks, in the unit of the costs.
    """
    return float(np.bincount(owner, weights=np.asarray(costs)).max())
