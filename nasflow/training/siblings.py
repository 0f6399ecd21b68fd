"""m live networks that train and validate side by side.

Siblings are spread over ranks (processes), those of a rank over its workers (threads; torch
releases the interpreter lock in its kernels). Each computes on one torch thread, so that the result
is the same to the bit for any number of ranks and workers, which torch's own threads do not give:
its BatchNorm in channels-last already differs between 1 and 2.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nasflow.network.network import Network, Tensors
from nasflow.particles.flow import Vector
from nasflow.training import heap, memory
from nasflow.training.batches import Split
from nasflow.training.cuda_graph import Captured
from nasflow.training.load_balance import longest, spread
from nasflow.training.optim import Step, Tau
from nasflow.training.ranks import ALONE, Ranks
from nasflow.training.sibling import Batch, Manner, Sibling, named, tensors
from nasflow.training.workers import CALLER, Workers

EVALUATION_BATCH = 250
MEASURED = 10  # steps after which costs are seconds instead of FLOPs
WORTH = 0.95  # siblings change hands when the longest rank then takes less than this share


class Part(NamedTuple):
    """A training or a validation: its loss in nats, its seconds, whether memory ran out."""

    loss: float
    seconds: float
    starved: bool


class Siblings:
    """Live copies of networks; `close` (or `with`) ends the workers. Every rank calls the same
    methods with the same arguments and gets the same answers.

    Validation looks at running averages of x and of the statistics over `average` steps (1: at the
    last ones). Steps of size tau keep x in a cloud around its path that is wider the more
    parameters there are, so that larger networks look worse than they are while tau is high.

    `gains`: a sibling each, what the gradient of a tensor is multiplied by (ageing); none: 1.

    On a GPU the step of all siblings of a rank is one CUDA graph (`captured`; without it, one
    kernel after the other). `precision` is that of convolutions and head: float32, tf32 (on a GPU)
    or bfloat16; all else stays float32.

    Where memory runs out in a sibling's step, that raises, or with `spare` the sibling's losses are
    NaN and it is named in `starved` (m,), that of the latest step; on a GPU it always raises.

    `shards` splits every training batch into equal parts with BatchNorm statistics of their own
    (running statistics: their mean), so that a family of one also fills the workers."""

    def __init__(
        self,
        networks: Sequence[Network],
        step: Step,
        *,
        ranks: Ranks = ALONE,
        workers: int = 1,
        shards: int = 1,
        average: int = 1,
        label_smoothing: float = 0.0,
        gains: Sequence[Mapping[str, float]] = (),
        precision: str = "float32",
        captured: bool = True,
        spare: bool = False,
    ) -> None:
        torch.set_num_threads(1)
        single = "tf32" if precision == "tf32" else "ieee"
        torch.backends.fp32_precision = single  # type: ignore[attr-defined]
        heap.apart()
        self._ranks, self._shards, self._average, self._spare = ranks, shards, average, spare
        self._manner = Manner(step, average, label_smoothing, precision == "bfloat16")
        self._start, self._gains = list(networks), list(gains)
        self._steps, self._measured = 0, 0
        self._costs = np.array([float(n.architecture.flops) for n in networks])
        self._seconds = np.zeros(len(networks))
        self.starved = np.zeros(len(networks), dtype=bool)
        self._resting = np.zeros(len(networks), dtype=bool)
        self._owner = spread(list(self._costs), ranks.size)
        self._live = {i: self._born(i) for i in self._mine()}
        self._captured = None
        if self._live and captured and shards == 1 and _on_gpu(networks[0]):
            changed = [t for sibling in self._live.values() for t in sibling.tensors]
            self._captured = Captured(self._both, changed)
        self._workers = Workers(workers)

    def __enter__(self) -> Siblings:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.close()

    def __len__(self) -> int:
        return len(self._owner)

    @property
    def fingerprints(self) -> list[str]:
        return [n.architecture.fingerprint for n in self._start]

    def network(self, i: int) -> Network:
        """A copy of sibling i as it stands."""
        return self._copy(i, self._live[i].last if i in self._live else self._start[i])

    def averaged(self, i: int) -> Network:
        """A copy of what validation looks at: averages of x and of the statistics, the last v."""
        return self._copy(i, self._live[i].averaged if i in self._live else self._start[i])

    def _copy(self, i: int, network: Network) -> Network:
        g, *parts = network
        x, buffers, v = ({k: t.detach().clone() for k, t in part.items()} for part in parts)
        self._ranks.broadcast(tensors(Network(g, x, buffers, v)), self._owner[i])
        return Network(g, x, buffers, v)

    def state(self, i: int) -> Tensors:
        """Copies, on the CPU, of all tensors of sibling i that the next step reads."""
        found = named("", self.network(i))
        if self._average > 1:
            found |= named("mean ", self.averaged(i)._replace(v={}))
        form = torch.contiguous_format
        return {name: t.cpu().clone(memory_format=form) for name, t in found.items()}

    def restore(self, states: Sequence[Tensors], steps: int) -> None:
        """All siblings as they stood after that many steps."""
        self._steps = steps
        for i, sibling in self._live.items():
            sibling.restore(states[i])

    def step(
        self, train: Sequence[Batch], validation: Sequence[Batch] | None, tau: float
    ) -> tuple[Vector, Vector]:
        """Train every sibling one step on its batch, then validate it on its batch (lists of one
        batch are shared by all). Losses (m,) of both in nats; NaN without validation."""
        self._steps += 1
        share = 1.0 / min(self._average, self._steps + 1)
        mine = sorted(self._mine(), key=lambda i: -self._costs[i])  # the dearest first
        rows: list[Sequence[float]]
        if self._captured is not None:
            rows = [*self._captured.run(mine, train, validation, tau, share)]
        else:
            mine = [i for i in mine if not self._resting[i]]
            rows = self._rows(mine, train, validation, tau, share)
        if self._steps >= heap.SETTLED:
            heap.keep()
        table = self._ranks.merge(dict(zip(mine, rows, strict=True)), len(self), 4)
        self._seconds += table[:, 2]
        self.starved = table[:, 3] > 0.0
        table[self._resting] = float("nan")
        self._measured += 1
        if self._measured == MEASURED and self._captured is None:
            self._rebalance()
        return table[:, 0], table[:, 1]

    def evaluate(self, split: Split, *, mirror: bool = False) -> list[tuple[float, float]]:
        """(loss in nats, accuracy) of every sibling on a whole split, eval mode, at the averages
        where there are some. `mirror`: of the mean of the logits of an image and its mirror image.
        """
        size = EVALUATION_BATCH
        starts = range(0, len(split), size)
        tasks = [(i, start) for i in self._mine() for start in starts]

        def score(task: tuple[int, int]) -> tuple[float, float]:
            i, start = task
            return self._live[i].score(split.chunk(start, size), mirror=mirror)

        parts = list(self._workers.map(score, tasks))
        heap.keep()
        totals = np.array(parts).reshape(-1, len(starts), 2).sum(1) / len(split)
        table = self._ranks.merge(dict(zip(self._mine(), totals, strict=True)), len(self), 2)
        return [(float(loss), float(accuracy)) for loss, accuracy in table]

    def logits(self, split: Split) -> Tensor:
        """(images, classes) of the first sibling, as `evaluate` judges them, on the CPU."""
        starts = range(0, len(split), EVALUATION_BATCH)
        chunks = (split.chunk(start, EVALUATION_BATCH)[0] for start in starts)
        return torch.cat([part.cpu() for part in self._workers.map(self._live[0].logits, chunks)])

    def rest(self, dead: np.ndarray) -> None:
        """Those that are `dead` (m,) train no more; their losses are NaN."""
        self._resting = dead

    def finite(self) -> np.ndarray:
        """Whether all that makes up a sibling is finite, (m,)."""
        mine = {
            i: (float(all(bool(torch.isfinite(t).all()) for t in tensors(sibling.last))),)
            for i, sibling in self._live.items()
        }
        sound: np.ndarray = self._ranks.merge(mine, len(self), 1)[:, 0] > 0.0
        return sound

    def kinetic_energies(self) -> Vector:
        """|v|^2 / 2 of every sibling, (m,)."""
        mine = {
            i: (0.5 * sum(float(t.square().sum()) for t in sibling.last.v.values()),)
            for i, sibling in self._live.items()
        }
        return self._ranks.merge(mine, len(self), 1)[:, 0]

    def _born(self, i: int) -> Sibling:
        return Sibling(self._start[i], self._manner, self._gains[i] if self._gains else None)

    def _mine(self) -> list[int]:
        return [i for i, rank in enumerate(self._owner) if rank == self._ranks.rank]

    def _rebalance(self) -> None:
        """Order, and where it pays distribute, the siblings by the seconds that they took."""
        self._costs = self._seconds / self._measured
        costs = list(self._costs)
        owner = spread(costs, self._ranks.size)
        if longest(costs, owner) > WORTH * longest(costs, self._owner):
            return
        for i, (old, new) in enumerate(zip(self._owner, owner, strict=True)):
            if old != new:
                self._hand_over(i, old, new)
        self._owner = owner

    def _hand_over(self, i: int, old: int, new: int) -> None:
        if self._ranks.rank == new:
            self._live[i] = self._born(i)
        if self._ranks.rank in (old, new):
            self._ranks.move(self._live[i].tensors, old, new)
        if self._ranks.rank == old:
            del self._live[i]

    def _rows(
        self,
        mine: Sequence[int],
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: float,
        share: float,
    ) -> list[Sequence[float]]:
        """Training loss, validation loss, seconds and whether it starved, of each of `mine`."""

        def training(i: int) -> Part:
            return self._timed(lambda: self._train(i, train, tau, share))

        def judging(i: int, trained: Part) -> Part:
            if validation is None or trained.starved:
                return Part(float("nan"), 0.0, trained.starved)
            return self._timed(lambda: self._validate(i, validation))

        workers = self._workers if self._shards == 1 else CALLER  # one's parts fill the workers
        return [_row(*parts) for parts in workers.in_two(mine, training, judging)]

    def _timed(self, work: Callable[[], Tensor]) -> Part:
        began = time.perf_counter()
        try:
            return Part(work().item(), time.perf_counter() - began, False)
        except (MemoryError, RuntimeError) as error:
            if not self._spare or not memory.exhausted(error):
                raise
            return Part(float("nan"), time.perf_counter() - began, True)

    def _both(
        self,
        i: int,
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: Tau,
        share: Tau,
    ) -> tuple[Tensor, Tensor]:
        """The step of sibling i: training and validation loss."""
        loss = self._train(i, train, tau, share)
        if validation is None:
            return loss, torch.full_like(loss, float("nan"))
        return loss, self._validate(i, validation)

    def _train(self, i: int, train: Sequence[Batch], tau: Tau, share: Tau) -> Tensor:
        batch = train[i % len(train)]
        if self._shards == 1:
            return self._live[i].train(batch, tau, share)
        parts = list(zip(*(t.chunk(self._shards) for t in batch), strict=True))
        return self._live[i].train_in_parts(parts, tau, share, self._workers.map)

    def _validate(self, i: int, validation: Sequence[Batch]) -> Tensor:
        return self._live[i].validate(validation[i % len(validation)])


def _row(trained: Part, judged: Part) -> Sequence[float]:
    """A sibling that starved in either has no losses."""
    seconds = trained.seconds + judged.seconds
    if judged.starved:
        return float("nan"), float("nan"), seconds, 1.0
    return trained.loss, judged.loss, seconds, 0.0


def _on_gpu(network: Network) -> bool:
    return next(iter(network.x.values())).is_cuda
