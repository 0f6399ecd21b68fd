"""Ranks: the processes that train the siblings of one round together, and how they communicate.

`nasflow.stages.launch` starts the processes and gives each its number, the rank, in environment
variables. A process that it did not start is alone. In a step, the ranks exchange a few numbers for
each of the n_neigh + 1 siblings, such as losses and seconds, which the host needs anyway. What the
ranks must agree on after the step, such as the seconds of the budget, travels with these numbers:
an ordinary step has one reduction (a sum or a maximum over all ranks), for which each rank waits
for the slowest one. Tensors
travel only where a sibling moves to another rank or where all ranks need a copy of it. The library
gloo, which communicates between CPUs, is therefore enough for every device. In each sum over the
ranks at most one addend is not zero. The results are therefore bit for bit identical for any number
of ranks.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from nasflow.particles.flow import Matrix
from nasflow.printable import shown
from nasflow.training.rendezvous import WAIT, bounded, patience

LOST = 70  # exit code of a rank that lost the connection to another rank (EX_SOFTWARE)
MEETING = "NASFLOW_MEETING"  # the variable that names the file through which ranks find each other
KEY = "NASFLOW_KEY"  # the variable that holds the key of ranks on several machines
LOOPBACK = ("lo", "lo0")  # names of the loopback interface
Wish = Callable[[], float]  # tells a number of this rank, of which all ranks take the largest


class LostRankError(RuntimeError):
    """Another rank has ended, so that this one cannot continue."""


class Ranks:
    """The place of this process among all ranks, and how it communicates with the others.

    Every rank calls the same methods in the same order, except for `move`.

    Args:
        rank: the number of this process, from 0.
        size: the number of ranks on all machines.
        here: the number of ranks on the machine of this process.

    Attributes:
        rank: the number of this process.
        size: the number of ranks on all machines.
        here: the number of ranks on the machine of this process.
    """

    def __init__(self, rank: int = 0, size: int = 1, here: int = 1) -> None:
        self.rank, self.size, self.here = rank, size, here
        self._wishes: dict[str, Wish] = {}
        self._gathered: dict[str, float] = {}

    @property
    def first(self) -> bool:
        """Whether this is rank 0, the only rank that writes files and messages."""
        return self.rank == 0

    def merge(self, rows: Mapping[int, Sequence[float]], count: int, width: int) -> Matrix:
        """Gather the rows of a table, each of which one rank knows; and all wishes with them.

        Args:
            rows: the rows that this rank knows, by their index; `width` numbers each.
            count: the number of rows of the table.
            width: the number of columns.

        Returns:
            The table (count, width), the same on every rank. Rows that no rank knows are zero.

        Raises:
            LostRankError: if another rank has ended.
        """
        table: Matrix = np.zeros((count, width))
        for i, row in rows.items():
            table[i] = row
        if self.size == 1:
            return table
        names = sorted(self._wishes)
        wishes: Matrix = np.zeros((self.size, len(names)))  # one row for each rank
        wishes[self.rank] = [self._wishes[name]() for name in names]
        parcel = torch.from_numpy(np.concatenate([table.ravel(), wishes.ravel()]))
        with _connected():
            dist.all_reduce(parcel)
        wishes = parcel.numpy()[table.size :].reshape(wishes.shape)
        self._gathered = dict(zip(names, wishes.max(0).tolist(), strict=True))
        return parcel.numpy()[: table.size].reshape(table.shape)

    @contextmanager
    def wishing(self, **wishes: Wish) -> Iterator[None]:
        """Gather wishes with every `merge`, for the time of a `with` block.

        Args:
            **wishes: functions that return a number of this rank, by name. All ranks have the
                same names. With several ranks, `merge` calls each function just before it
                exchanges its table.
        """
        self._wishes |= wishes
        try:
            yield
        finally:
            for name in wishes:
                self._wishes.pop(name, None)
                self._gathered.pop(name, None)

    def agreed(self, name: str) -> float:
        """Return the largest value of a wish among all ranks, the same one on every rank.

        It is the value that the latest `merge` gathered. Where there was no `merge` since the last
        call, the ranks exchange the wish now. A rank that is alone is asked now.

        Args:
            name: the name of a wish of `wishing`.

        Raises:
            LostRankError: if another rank has ended.
        """
        if self.size > 1 and name in self._gathered:
            return self._gathered.pop(name)
        own = self._wishes[name]()
        return own if self.size == 1 else self.agree(own)[0]

    def agree(self, *wishes: float) -> list[float]:
        """Return the largest value of each wish among all ranks.

        Decisions that depend on the time or on a signal use this method or `agreed`, because all
        ranks must decide alike. No rank returns before every rank has called it, so that a call
        without wishes makes the ranks wait for each other.

        Args:
            *wishes: numbers of this rank, as many as on the other ranks.

        Returns:
            The maximum of each wish; the list [0.0] for a call without wishes.

        Raises:
            LostRankError: if another rank has ended.
        """
        table = torch.tensor(wishes or (0.0,), dtype=torch.float64)
        if self.size > 1:
            with _connected():
                dist.all_reduce(table, dist.ReduceOp.MAX)
        return [float(wish) for wish in table]

    def broadcast(self, tensors: Sequence[Tensor], source: int) -> None:
        """Copy tensors of one rank into those of all ranks, in place.

        Args:
            tensors: tensors of the same shapes and types on every rank.
            source: the rank that they are copied from.

        Raises:
            LostRankError: if another rank has ended.
        """
        if self.size > 1:
            for tensor in tensors:
                parcel = tensor.detach().contiguous().cpu()
                with _connected():
                    dist.broadcast(parcel, source)
                with torch.no_grad():
                    tensor.copy_(parcel)

    def move(self, tensors: Sequence[Tensor], source: int, target: int) -> None:
        """Copy tensors of one rank into those of another rank, in place.

        Only these two ranks need to call it. On all other ranks it changes nothing.

        Args:
            tensors: tensors of the same shapes and types on both ranks.
            source: the rank that they are copied from.
            target: the rank that they are copied to.

        Raises:
            LostRankError: if the other rank has ended.
        """
        for tensor in tensors:
            parcel = tensor.detach().contiguous().cpu()
            with _connected():
                if self.rank == source:
                    dist.send(parcel, target)
                elif self.rank == target:
                    dist.recv(parcel, source)
            if self.rank == target:
                with torch.no_grad():
                    tensor.copy_(parcel)


@contextmanager
def _connected() -> Iterator[None]:
    """Raise LostRankError where the communication in the `with` block fails."""
    try:
        yield
    except RuntimeError as error:
        raise LostRankError(str(error)) from error


ALONE = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """Connect this process with the other ranks, for the time of a `with` block.

    Yields:
        The place of this process among all ranks; `ALONE` where there is only one rank.

    Raises:
        ValueError: if no variable says how the ranks find each other.
        LostRankError: if they do not find each other.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    rank = int(os.environ["RANK"])
    seconds = patience(os.environ)
    # The other ranks of a machine wait one second longer: the launcher ends them in this time, so
    # that each machine prints one line.
    longer = int(os.environ.get("LOCAL_RANK", "0") != "0")
    with bounded(seconds + longer, _unconnected(rank, size, seconds)), _connected():
        dist.init_process_group("gloo", store=_store(size), rank=rank, world_size=size)
    try:
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        yield Ranks(dist.get_rank(), dist.get_world_size(), here)
    finally:
        dist.destroy_process_group()


def _unconnected(rank: int, size: int, seconds: int) -> str:
    """Say that the ranks did not connect, and what may help."""
    here, place = f"rank {rank} of {size}", f"within {seconds} s ({WAIT})"
    if MEETING in os.environ:
        return f"{here} did not connect to the others of this machine {place}; try again"
    where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
    return (
        f"{here} on {socket.gethostname()} did not connect to the ranks that met at {where}"
        f" {place}; GLOO_SOCKET_IFNAME names the network interface between the machines"
    )


def _store(size: int) -> Any:
    """Open the store in which the ranks leave their addresses for each other.

    On one machine it is a file, and gloo listens on the loopback interface only. On several
    machines it is the server of nasflow.stages.meeting.
    """
    if MEETING in os.environ:
        present = {name for _, name in socket.if_nameindex()}
        os.environ["GLOO_SOCKET_IFNAME"] = next(name for name in LOOPBACK if name in present)
        return dist.FileStore(os.environ[MEETING], size)  # type: ignore[attr-defined]
    if KEY not in os.environ:
        raise ValueError(
            f"WORLD_SIZE: {size} without {MEETING} or {KEY}; expected one of them; start several"
            " ranks by --ranks"
        )
    where = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    server = dist.TCPStore(*where, is_master=False)  # type: ignore[attr-defined]
    return dist.PrefixStore(f"{os.environ[KEY]}/ranks", server)  # type: ignore[attr-defined]


def own_device(device: str) -> str:
    """Name the device that this rank computes on.

    Nothing falls back to the CPU where a GPU is missing.

    Args:
        device: `cpu`, `cuda` or `cuda:N`.

    Returns:
        `cuda:N`, with N the number of this rank on its machine, for `cuda`. Other names are
        returned unchanged.

    Raises:
        ValueError: if the name is none of these or the machine has no such GPU.
    """
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
