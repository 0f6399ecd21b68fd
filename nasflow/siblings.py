"""m live networks that train and validate side by side. All speed tricks live here.

Siblings are spread over ranks (processes), those of a rank over its workers (threads; torch
releases the interpreter lock in its kernels). Each computes on one torch thread, so that the result
is the same to the bit for any number of ranks and workers, which torch's own threads do not give:
its BatchNorm in channels-last already differs between 1 and 2.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nasflow import heap, memory, optim
from nasflow.batches import Split
from nasflow.captured import Captured
from nasflow.flow import Vector
from nasflow.network import Network, Tensors, forward
from nasflow.optim import Step, Tau
from nasflow.ranks import ALONE, Ranks, longest, spread

Batch = tuple[Tensor, Tensor]
EVALUATION_BATCH = 250
MEASURED = 10  # steps after which costs are seconds instead of FLOPs
WORTH = 0.95  # siblings change hands when the longest rank then takes less than this share


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
        heap.keep()
        self._half = precision == "bfloat16"
        self._ranks, self._step, self._shards, self._smoothing = (
            ranks,
            step,
            shards,
            label_smoothing,
        )
        self._average, self._steps, self._measured = average, 0, 0
        self._gains = [[gains[i][name] for name in networks[i].x] for i in range(len(gains))]
        self._costs = np.array([float(n.architecture.flops) for n in networks])
        self._seconds = np.zeros(len(networks))
        self._spare = spare
        self.starved = np.zeros(len(networks), dtype=bool)
        self._resting = np.zeros(len(networks), dtype=bool)
        self._owner = spread(list(self._costs), ranks.size)
        self._start = list(networks)
        self._networks = {i: _live(networks[i]) for i in self._mine()}
        self._means = self._networks
        if average > 1:
            self._means = {i: _live(networks[i]._replace(v={})) for i in self._mine()}
        self._captured = None
        if self._networks and captured and shards == 1 and _on_gpu(networks[0]):
            self._captured = Captured(self._both, self._tensors())
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
        self._each = self._pool.map if workers > 1 else map

    def __enter__(self) -> Siblings:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def __len__(self) -> int:
        return len(self._owner)

    @property
    def fingerprints(self) -> list[str]:
        return [n.architecture.fingerprint for n in self._start]

    def network(self, i: int) -> Network:
        """A copy of sibling i as it stands."""
        return self._copy(self._networks.get(i, self._start[i]), i)

    def averaged(self, i: int) -> Network:
        """A copy of what validation looks at: averages of x and of the statistics, the last v."""
        last = self._networks.get(i, self._start[i])
        return self._copy(self._means.get(i, self._start[i])._replace(v=last.v), i)

    def _copy(self, network: Network, i: int) -> Network:
        g, *parts = network
        x, buffers, v = ({k: t.detach().clone() for k, t in part.items()} for part in parts)
        self._ranks.broadcast(_tensors(Network(g, x, buffers, v)), self._owner[i])
        return Network(g, x, buffers, v)

    def state(self, i: int) -> Tensors:
        """Copies, on the CPU, of all tensors of sibling i that the next step reads."""
        parts = {"": self.network(i)}
        if self._average > 1:
            parts["mean "] = self.averaged(i)._replace(v={})
        return {
            f"{kind}{part}.{name}": t.cpu().clone(memory_format=torch.contiguous_format)
            for kind, network in parts.items()
            for part, tensors in network._asdict().items()
            if part != "architecture"
            for name, t in tensors.items()
        }

    def restore(self, states: Sequence[Tensors], steps: int) -> None:
        """All siblings as they stood after that many steps."""
        self._steps = steps
        with torch.no_grad():
            for i in self._mine():
                live = {"": self._networks[i]}
                if self._average > 1:
                    live["mean "] = self._means[i]
                for kind, network in live.items():
                    for part in ("x", "buffers", "v"):
                        for name, t in getattr(network, part).items():
                            t.copy_(states[i][f"{kind}{part}.{name}"])

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
        elif self._shards > 1:
            rows = [self._sharded(i, train, validation, tau, share) for i in mine]
        else:
            mine = [i for i in mine if not self._resting[i]]
            rows = list(self._each(lambda i: self._timed(i, train, validation, tau, share), mine))
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
        parts = list(
            self._each(lambda t: self._score(t[0], split.chunk(t[1], size), mirror), tasks)
        )
        totals = np.array(parts).reshape(-1, len(starts), 2).sum(1) / len(split)
        table = self._ranks.merge(dict(zip(self._mine(), totals, strict=True)), len(self), 2)
        return [(float(loss), float(accuracy)) for loss, accuracy in table]

    def logits(self, split: Split) -> Tensor:
        """(images, classes) of the first sibling, as `evaluate` judges them, on the CPU."""
        starts = range(0, len(split), EVALUATION_BATCH)
        chunks = (split.chunk(start, EVALUATION_BATCH)[0] for start in starts)
        return torch.cat([part.cpu() for part in self._each(partial(self._logits, 0), chunks)])

    def rest(self, dead: np.ndarray) -> None:
        """Those that are `dead` (m,) train no more; their losses are NaN."""
        self._resting = dead

    def finite(self) -> np.ndarray:
        """Whether all that makes up a sibling is finite, (m,)."""
        mine = {
            i: (float(all(bool(torch.isfinite(t).all()) for t in _tensors(n))),)
            for i, n in self._networks.items()
        }
        sound: np.ndarray = self._ranks.merge(mine, len(self), 1)[:, 0] > 0.0
        return sound

    def kinetic_energies(self) -> Vector:
        """|v|^2 / 2 of every sibling, (m,)."""
        mine = {
            i: (0.5 * sum(float(t.square().sum()) for t in n.v.values()),)
            for i, n in self._networks.items()
        }
        return self._ranks.merge(mine, len(self), 1)[:, 0]

    def _tensors(self) -> list[Tensor]:
        """All that a step changes."""
        live = [*self._networks.values(), *(self._means.values() if self._average > 1 else ())]
        return [t for network in live for t in _tensors(network)]

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
        parts = [(self._networks, self._start[i])]
        if self._average > 1:
            parts.append((self._means, self._start[i]._replace(v={})))
        for live, start in parts:
            if self._ranks.rank == new:
                live[i] = _live(start)
            if self._ranks.rank in (old, new):
                self._ranks.move(_tensors(live[i]), old, new)
            if self._ranks.rank == old:
                del live[i]

    def _timed(
        self,
        i: int,
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: float,
        share: float,
    ) -> Sequence[float]:
        began, nan = time.perf_counter(), float("nan")
        try:
            losses = self._both(i, train, validation, tau, share)
        except (MemoryError, RuntimeError) as error:
            if not self._spare or not memory.exhausted(error):
                raise
            return nan, nan, time.perf_counter() - began, 1.0
        return losses[0].item(), losses[1].item(), time.perf_counter() - began, 0.0

    def _both(
        self,
        i: int,
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: Tau,
        share: Tau,
    ) -> tuple[Tensor, Tensor]:
        """The step of sibling i, waiting for nothing: training and validation loss."""
        loss, gradient = self._gradient(i, train[i % len(train)], self._networks[i].buffers)
        self._update(i, gradient, tau, share)
        return loss, self._validate(i, validation)

    def _sharded(
        self,
        i: int,
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: float,
        share: float,
    ) -> Sequence[float]:
        began = time.perf_counter()
        images, labels = train[i % len(train)]
        parts = zip(images.chunk(self._shards), labels.chunk(self._shards), strict=True)
        copies = [
            {k: t.clone() for k, t in self._networks[i].buffers.items()}
            for _ in range(self._shards)
        ]
        done = list(self._each(lambda a: self._gradient(i, *a), zip(parts, copies, strict=True)))
        with torch.no_grad():
            gradient = done[0][1]
            for _, other in done[1:]:
                torch._foreach_add_(gradient, other)
            torch._foreach_div_(gradient, float(len(done)))
            for name, running in self._networks[i].buffers.items():
                running.copy_(torch.stack([c[name] for c in copies]).mean(0))
        self._update(i, gradient, tau, share)
        loss = float(np.mean([loss.item() for loss, _ in done]))
        return loss, self._validate(i, validation).item(), time.perf_counter() - began, 0.0

    def _forward(self, network: Network, images: Tensor, *, training: bool) -> Tensor:
        g, x, buffers, _ = network
        kind = images.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=self._half, cache_enabled=False):
            return forward(g, x, buffers, images, training=training).float()

    def _gradient(self, i: int, batch: Batch, buffers: Tensors) -> tuple[Tensor, list[Tensor]]:
        network = self._networks[i]._replace(buffers=buffers)
        logits = self._forward(network, batch[0], training=True)
        loss = F.cross_entropy(logits, batch[1], label_smoothing=self._smoothing)
        gradient = torch.autograd.grad(loss, list(network.x.values()))
        return loss.detach(), list(gradient)

    def _update(self, i: int, gradient: list[Tensor], tau: Tau, share: Tau) -> None:
        _, x, _, v = self._networks[i]
        with torch.no_grad():
            if self._gains:
                torch._foreach_mul_(gradient, self._gains[i])
            self._step(list(x.values()), list(v.values()), gradient, tau)
            if self._average > 1:
                for mean, last in zip(self._means[i][1:3], self._networks[i][1:3], strict=True):
                    means = list(mean.values())
                    apart = list(torch._foreach_sub(list(last.values()), means))
                    optim.add(means, apart, share)

    def _validate(self, i: int, batches: Sequence[Batch] | None) -> Tensor:
        if batches is None:
            return next(iter(self._networks[i].x.values())).new_full((), float("nan"))
        images, labels = batches[i % len(batches)]
        with torch.no_grad():
            logits = self._forward(self._means[i], images, training=False)
            return F.cross_entropy(logits, labels)

    def _logits(self, i: int, images: Tensor) -> Tensor:
        with torch.no_grad():
            return self._forward(self._means[i], images, training=False)

    def _score(self, i: int, batch: Batch, mirror: bool) -> tuple[float, float]:
        images, labels = batch
        logits = self._logits(i, images)
        if mirror:
            logits = (logits + self._logits(i, images.flip(3))) / 2.0
        loss = F.cross_entropy(logits, labels, reduction="sum")
        return loss.item(), float((logits.argmax(1) == labels).sum().item())


def _tensors(network: Network) -> list[Tensor]:
    return [t for part in network[1:] for t in part.values()]


def _on_gpu(network: Network) -> bool:
    return next(iter(network.x.values())).is_cuda


def _live(network: Network) -> Network:
    g, x, buffers, v = network
    leaves = {k: _channels_last(t.detach().clone()).requires_grad_() for k, t in x.items()}
    return Network(
        g,
        leaves,
        {k: t.detach().clone() for k, t in buffers.items()},
        {k: _channels_last(t.detach().clone()) for k, t in v.items()},
    )


def _channels_last(t: Tensor) -> Tensor:
    """Kernels in the memory order that the images have; 1.5 times as fast as NCHW on two cores."""
    return t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t
