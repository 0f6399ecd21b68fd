"""m live networks that train and validate side by side. All speed tricks live here.

Each (sibling, shard) is one task with one torch thread; tasks run on a pool of Python threads
(torch releases the interpreter lock in its kernels). A task's arithmetic never depends on how many
workers there are, so the result is the same to the bit for 1, 2 or 64 of them, which torch's own
threads do not give: its BatchNorm in channels-last already differs between 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nasflow.batches import Split
from nasflow.flow import Vector
from nasflow.network import Network, Tensors, forward
from nasflow.optim import Step

Batch = tuple[Tensor, Tensor]
EVALUATION_BATCH = 250


class Siblings:
    """Live copies of networks; `close` (or `with`) ends the workers.

    Validation looks at running averages of x and of the statistics over `average` steps (1: at the
    last ones). Steps of size tau keep x in a cloud around its path that is wider the more
    parameters there are, so that larger networks look worse than they are while tau is high.

    `shards` splits every training batch into equal parts with BatchNorm statistics of their own
    (running statistics: their mean), so that a family of one also fills the workers."""

    def __init__(
        self,
        networks: Sequence[Network],
        step: Step,
        *,
        workers: int = 1,
        shards: int = 1,
        average: int = 1,
        label_smoothing: float = 0.0,
    ) -> None:
        torch.set_num_threads(1)
        self._networks = [_live(network) for network in networks]
        self._means = [_live(n._replace(v={})) for n in networks] if average > 1 else self._networks
        self._step, self._shards, self._smoothing = step, shards, label_smoothing
        self._average, self._steps = average, 0
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
        flops = [n.architecture.flops for n in networks]
        self._dearest_first = sorted(range(len(networks)), key=lambda i: -flops[i])

    def __enter__(self) -> Siblings:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def __len__(self) -> int:
        return len(self._networks)

    @property
    def fingerprints(self) -> list[str]:
        return [n.architecture.fingerprint for n in self._networks]

    def network(self, i: int) -> Network:
        """A copy of sibling i as it stands."""
        g, *parts = self._networks[i]
        x, buffers, v = ({k: t.detach().clone() for k, t in part.items()} for part in parts)
        return Network(g, x, buffers, v)

    def state(self, i: int) -> Tensors:
        """Copies, on the CPU, of all tensors of sibling i that the next step reads."""
        plain = torch.contiguous_format
        tensors = self._tensors(i).items()
        return {name: t.detach().cpu().clone(memory_format=plain) for name, t in tensors}

    def restore(self, states: Sequence[Tensors], steps: int) -> None:
        """All siblings as they stood after that many steps."""
        self._steps = steps
        with torch.no_grad():
            for i, state in enumerate(states):
                live = self._tensors(i)
                assert live.keys() == state.keys()
                for name, t in live.items():
                    t.copy_(state[name])

    def step(
        self, train: Sequence[Batch], validation: Sequence[Batch] | None, tau: float
    ) -> tuple[Vector, Vector]:
        """Train every sibling one step on its batch, then validate it on its batch (lists of one
        batch are shared by all). Losses (m,) of both in nats; NaN without validation."""
        self._steps += 1
        if self._shards == 1:
            done = self._map(lambda i: self._both(i, train, validation, tau))
        else:
            done = [self._sharded(i, train, validation, tau) for i in range(len(self))]
        return np.array([d[0] for d in done]), np.array([d[1] for d in done])

    def evaluate(self, split: Split) -> list[tuple[float, float]]:
        """(loss in nats, accuracy) of every sibling on a whole split, eval mode."""
        size = EVALUATION_BATCH
        starts = range(0, len(split), size)
        tasks = [(i, start) for i in range(len(self)) for start in starts]
        parts = list(self._pool.map(lambda t: self._score(t[0], split.chunk(t[1], size)), tasks))
        totals = np.array(parts).reshape(len(self), len(starts), 2).sum(1) / len(split)
        return [(float(loss), float(accuracy)) for loss, accuracy in totals]

    def kinetic_energies(self) -> Vector:
        """|v|^2 / 2 of every sibling, (m,)."""
        return np.array(
            [0.5 * sum(float(t.square().sum()) for t in n.v.values()) for n in self._networks]
        )

    def logits(self, i: int, images: Tensor) -> Tensor:
        """Eval mode, (batch, classes)."""
        g, x, buffers, _ = self._networks[i]
        with torch.no_grad():
            return forward(g, x, buffers, images, training=False)

    def _tensors(self, i: int) -> Tensors:
        _, x, buffers, v = self._networks[i]
        parts = {"x": x, "buffers": buffers, "v": v}
        if self._average > 1:
            parts |= {"mean x": self._means[i].x, "mean buffers": self._means[i].buffers}
        return {f"{part}.{name}": t for part, group in parts.items() for name, t in group.items()}

    def _map(self, task: Callable[[int], tuple[float, float]]) -> list[tuple[float, float]]:
        results = dict(
            zip(self._dearest_first, self._pool.map(task, self._dearest_first), strict=True)
        )
        return [results[i] for i in range(len(self))]

    def _both(
        self, i: int, train: Sequence[Batch], validation: Sequence[Batch] | None, tau: float
    ) -> tuple[float, float]:
        loss, gradient = self._gradient(i, train[i % len(train)], self._networks[i].buffers)
        self._update(i, gradient, tau)
        return loss, self._validate(i, validation)

    def _sharded(
        self, i: int, train: Sequence[Batch], validation: Sequence[Batch] | None, tau: float
    ) -> tuple[float, float]:
        images, labels = train[i % len(train)]
        parts = zip(images.chunk(self._shards), labels.chunk(self._shards), strict=True)
        copies = [
            {k: t.clone() for k, t in self._networks[i].buffers.items()}
            for _ in range(self._shards)
        ]
        done = list(
            self._pool.map(lambda a: self._gradient(i, *a), zip(parts, copies, strict=True))
        )
        with torch.no_grad():
            gradient = done[0][1]
            for _, other in done[1:]:
                torch._foreach_add_(gradient, other)
            torch._foreach_div_(gradient, float(len(done)))
            for name, running in self._networks[i].buffers.items():
                running.copy_(torch.stack([c[name] for c in copies]).mean(0))
        self._update(i, gradient, tau)
        return float(np.mean([loss for loss, _ in done])), self._validate(i, validation)

    def _gradient(self, i: int, batch: Batch, buffers: Tensors) -> tuple[float, list[Tensor]]:
        g, x, _, _ = self._networks[i]
        logits = forward(g, x, buffers, batch[0], training=True)
        loss = F.cross_entropy(logits, batch[1], label_smoothing=self._smoothing)
        gradient = torch.autograd.grad(loss, list(x.values()))
        return loss.item(), list(gradient)

    def _update(self, i: int, gradient: list[Tensor], tau: float) -> None:
        _, x, _, v = self._networks[i]
        with torch.no_grad():
            self._step(list(x.values()), list(v.values()), gradient, tau)
            if self._average > 1:
                share = 1.0 / min(self._average, self._steps + 1)
                for mean, last in zip(self._means[i][1:3], self._networks[i][1:3], strict=True):
                    torch._foreach_lerp_(list(mean.values()), list(last.values()), share)

    def _validate(self, i: int, batches: Sequence[Batch] | None) -> float:
        if batches is None:
            return float("nan")
        images, labels = batches[i % len(batches)]
        g, x, buffers, _ = self._means[i]
        with torch.no_grad():
            logits = forward(g, x, buffers, images, training=False)
            return F.cross_entropy(logits, labels).item()

    def _score(self, i: int, batch: Batch) -> tuple[float, float]:
        logits, labels = self.logits(i, batch[0]), batch[1]
        loss = F.cross_entropy(logits, labels, reduction="sum")
        return loss.item(), float((logits.argmax(1) == labels).sum().item())


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
