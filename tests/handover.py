"""Trainings of a few siblings on several ranks, for processes that a test starts."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from unittest import mock

import numpy as np
import torch
from cases import images, network
from pretended_gpu import Machine

from nasflow.network.network import Network
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


def idle_ranks(size: int, meeting: str, answer: object, patience: float = 60.0) -> None:
    """Let `size` processes train two siblings together, and end them where they wait for ever.

    This is to run in a new process: its children find all libraries loaded, and no thread of
    autograd, which would not outlive a fork.
    """
    torch.set_num_threads(1)
    with Machine():
        _pair()
    context = multiprocessing.get_context("fork")
    given = [(rank, size, meeting, answer) for rank in range(size)]
    ranks = [context.Process(target=train_on_idle_ranks, args=args) for args in given]
    for process in ranks:
        process.start()
    until = time.monotonic() + patience
    for process in ranks:
        process.join(max(until - time.monotonic(), 0.1))
    for process in ranks:
        process.kill()
        process.join()
    sys.exit(sum(process.exitcode != 0 for process in ranks))


def train_on_idle_ranks(rank: int, size: int, meeting: str, answer: object) -> None:
    """Train two siblings on pretended GPUs past the step that distributes siblings anew."""
    place = {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size)}
    torch.set_num_threads(1)
    step = optim.heavy_ball(friction=1.0, weight_decay=1e-3)
    with mock.patch.dict(os.environ, {**place, MEETING: meeting}), Machine(), joined() as ranks:
        family = _pair()
        batch = images(8).to("cuda"), (torch.arange(8) % 5).to("cuda")
        with Siblings(family, step, ranks=ranks) as live:
            losses = [live.step([batch], None, 0.1)[0] for _ in range(MEASURED + 1)]
            found = {f"{i}.{k}": t for i in range(2) for k, t in live.network(i).x.items()}
            numbers = {name: t.cpu().numpy() for name, t in found.items()}
            answer.put({**numbers, "losses": np.array(losses)})  # type: ignore[attr-defined]


def _pair() -> list[Network]:
    return [network(seed, 0).to("cuda") for seed in (1, 2)]


def labels() -> torch.Tensor:
    return torch.arange(16) % 5
