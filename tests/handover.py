"""A training of four siblings in which one of them moves to another process."""

from __future__ import annotations

import os

import numpy as np
import torch
from cases import images, network

from nasflow.training import optim
from nasflow.training.ranks import MEETING, joined
from nasflow.training.siblings import MEASURED, Siblings


def train_as_rank(rank: int, size: int, meeting: str, answer: object) -> None:
    """Train four siblings for some steps; in between they are distributed over the ranks anew."""
    os.environ |= {
        **{"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size)},
        MEETING: meeting,
    }
    step = optim.heavy_ball(friction=1.0, weight_decay=0.0)
    family = [network(seed, 1) for seed in range(4)]
    batch = (images(16), labels())
    with joined() as ranks, Siblings(family, step, ranks=ranks, average=4) as live:
        losses, owners = [], []
        for k in range(MEASURED + 5):
            if k == MEASURED - 1:  # pretend that the cheapest siblings took longest
                live._seconds = np.array([1.0, 2.0, 40.0, 80.0])
            losses.append(np.array(live.step([batch], [batch], 0.1)))
            owners.append(list(live._owner))
        ends = [live.network(i).v for i in range(4)]
        if ranks.first:
            flat = [t.numpy() for v in ends for t in v.values()]
            answer.put((np.array(losses), owners, flat))  # type: ignore[attr-defined]


def labels() -> torch.Tensor:
    return torch.arange(16) % 5
