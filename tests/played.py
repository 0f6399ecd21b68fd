"""Ranks that threads of one process play, so that a test sees and counts every exchange."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
import torch
import torch.distributed as dist

from nasflow.config.kinds import Precision
from nasflow.training.process import computing
from nasflow.training.ranks import Ranks

Result = TypeVar("Result")
LONGEST = 30.0  # seconds after which a rank that waits for another one gives up


class Play:
    """The exchanges of some ranks, in the place of gloo.

    Args:
        size: the number of ranks.

    Attributes:
        count: how often the ranks exchanged something, by the name of the exchange.
    """

    def __init__(self, size: int) -> None:
        self.size, self.count = size, collections.Counter[str]()
        self._own, self._barrier = threading.local(), threading.Barrier(size)
        self._parcels: list[torch.Tensor] = [torch.empty(0)] * size

    @property
    def rank(self) -> int:
        """The rank that the thread of the caller plays."""
        rank: int = self._own.rank
        return rank

    def all_reduce(self, tensor: torch.Tensor, op: object = dist.ReduceOp.SUM) -> None:
        parcels = self._exchanged("all_reduce", tensor)
        assert len({parcel.shape for parcel in parcels}) == 1, "ranks reduce different tables"
        whole = torch.stack(parcels)
        tensor.copy_(whole.sum(0) if op == dist.ReduceOp.SUM else whole.amax(0))

    def broadcast(self, tensor: torch.Tensor, source: int) -> None:
        tensor.copy_(self._exchanged("broadcast", tensor)[source])

    def _exchanged(self, name: str, tensor: torch.Tensor) -> list[torch.Tensor]:
        self._parcels[self.rank] = tensor.clone()
        self._barrier.wait(LONGEST)
        parcels = list(self._parcels)
        self.count[name] += self.rank == 0
        self._barrier.wait(LONGEST)
        return parcels

    def run(self, work: Callable[[Ranks], Result]) -> list[Result]:
        """Let every rank do some work at the same time; return what each of them returned.

        Real ranks are processes, each with torch's switches of its own. Threads share them, so that
        they are set once, before the threads begin, and put back when all of them have ended.
        """

        def played(rank: int) -> Result:
            self._own.rank = rank
            try:
                return work(Ranks(rank, self.size, self.size))
            except BaseException:
                self._barrier.abort()  # the others must not wait
                raise

        with computing(Precision.FLOAT32), ThreadPoolExecutor(self.size) as pool:
            started = [pool.submit(played, rank) for rank in range(self.size)]
        return [one.result() for one in started]


def play(size: int, patch: pytest.MonkeyPatch) -> Play:
    """Make a play of some ranks, which takes the place of gloo as long as the patch lasts."""
    made = Play(size)
    patch.setattr(dist, "all_reduce", made.all_reduce)
    patch.setattr(dist, "broadcast", made.broadcast)
    return made
