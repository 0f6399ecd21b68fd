"""The processes that share a round: who trains which sibling, and what they tell one another.

torchrun starts them and names each in the environment; a process that it did not start is alone.
Only losses travel in a step, n_neigh + 1 numbers that the host needs anyway, so that gloo serves
every device, and a network when it changes hands. Sums have one addend that is not zero: no bit
depends on how many ranks there are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from nasflow.particles.flow import Matrix
from nasflow.printable import shown

LOST = 70  # exit code of a rank that lost another (EX_SOFTWARE)


class LostRankError(RuntimeError):
    """Another rank is gone; this one cannot go on."""


class Ranks(NamedTuple):
    """This process is `rank` of `size`, of which `here` are on its machine."""

    rank: int = 0
    size: int = 1
    here: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and talks."""
        return self.rank == 0

    def merge(self, rows: Mapping[int, Sequence[float]], count: int, width: int) -> Matrix:
        """(count, width): row i from the rank that has it."""
        table = torch.zeros(count, width, dtype=torch.float64)
        for i, row in rows.items():
            table[i] = torch.tensor(row, dtype=torch.float64)
        if self.size > 1:
            with _all_there():
                dist.all_reduce(table)
        result: Matrix = table.numpy()
        return result

    def agree(self, *wishes: float) -> list[float]:
        """The largest of all ranks' wishes, place by place; none ends before the last has asked.
        What follows a clock or a signal must hold for all."""
        table = torch.tensor(wishes or (0.0,), dtype=torch.float64)
        if self.size > 1:
            with _all_there():
                dist.all_reduce(table, dist.ReduceOp.MAX)
        return [float(wish) for wish in table]

    def broadcast(self, tensors: Sequence[Tensor], source: int) -> None:
        """Every rank's tensors become those of `source`, in place."""
        if self.size > 1:
            for tensor in tensors:
                parcel = tensor.detach().contiguous().cpu()
                with _all_there():
                    dist.broadcast(parcel, source)
                with torch.no_grad():
                    tensor.copy_(parcel)

    def move(self, tensors: Sequence[Tensor], source: int, target: int) -> None:
        """The tensors of `target` become those of `source`; nothing happens on other ranks."""
        for tensor in tensors:
            parcel = tensor.detach().contiguous().cpu()
            with _all_there():
                if self.rank == source:
                    dist.send(parcel, target)
                elif self.rank == target:
                    dist.recv(parcel, source)
            if self.rank == target:
                with torch.no_grad():
                    tensor.copy_(parcel)


@contextmanager
def _all_there() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LostRankError(str(error)) from error


ALONE = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """This process among those that torchrun started with it."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    dist.init_process_group("gloo")
    try:
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        yield Ranks(dist.get_rank(), dist.get_world_size(), here)
    finally:
        dist.destroy_process_group()


def own_device(device: str) -> str:
    """`cuda` as the GPU of this rank on its machine; others as they are. ValueError where there is
    no such device: nothing falls back to the CPU."""
    if not re.fullmatch(r"cpu|cuda(:[0-9]{1,4})?", device):
        raise ValueError(f"device: {shown(device)}; expected cpu, cuda or cuda:N")
    if device == "cpu":
        return device
    own = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" else device
    count = torch.cuda.device_count()
    if int(own.partition(":")[2]) >= count:
        raise ValueError(
            f"device: {device}; torch {torch.__version__} finds {count} CUDA GPUs here;"
            f" {'set device: cpu' if not count else f'expected cuda:0 to cuda:{count - 1}'}"
        )
    return own
