"""The siblings that live in this process: their training and validation, on its threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nasflow.training import memory
from nasflow.training.batches import Split
from nasflow.training.optim import Tau
from nasflow.training.sibling import Batch, Sibling, shards_of, tensors
from nasflow.training.workers import CALLER, Workers

EVALUATION_BATCH = 250
NAN = float("nan")


class Part(NamedTuple):
    """A training or a validation of one sibling.

    Attributes:
        loss: the mean loss in nats; NaN where memory ran out.
        seconds: how long it took.
        starved: whether memory ran out.
    """

    loss: float
    seconds: float
    starved: bool


class Outcome(NamedTuple):
    """What a step tells about one sibling.

    Attributes:
        train_loss: the mean loss on the training batch, nats.
        validation_loss: the mean loss on the validation batch, nats; NaN without validation.
        seconds: how long training and validation took together.
        starved: 1.0 where memory ran out in either, and both losses are NaN; else 0.0.
    """

    train_loss: float
    validation_loss: float
    seconds: float
    starved: float


class LocalSiblings:
    """The siblings of one process by their number in the round.

    On a GPU this is the way without a CUDA graph: one thread starts one kernel after the other, and
    the host waits for the losses of each sibling. Several threads would share one queue of kernels,
    so that none of them became faster, and the seconds of a sibling would be those of others too.

    Args:
        workers: number of threads; 1 on a GPU.
        shards: equal parts of a training batch, each with BatchNorm statistics of its own.
        spare: where memory runs out in the step of a sibling, mark it as `starved` instead of
            raising the error.

    Attributes:
        live: the siblings by their number in the round.
    """

    def __init__(self, workers: int, shards: int, spare: bool) -> None:
        self.live: dict[int, Sibling] = {}
        self._workers, self._shards, self._spare = Workers(workers), shards, spare

    def close(self) -> None:
        """End the threads."""
        self._workers.close()

    def step(
        self,
        order: Sequence[int],
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: float,
        rates: Sequence[float],
    ) -> list[Outcome]:
        """Train and validate siblings side by side.

        Args:
            order: the numbers of the siblings, the most expensive ones first.
            train: one batch for all, or one for each sibling of the round.
            validation: the same for validation; None for none.
            tau: the step size.
            rates: how far the running averages of each sibling of the round move towards the
                newest values, from 0 to 1.

        Returns:
            One row for each sibling, in the order of `order`.
        """

        def training(i: int) -> Part:
            return self._timed(lambda: self.train(i, train, tau, rates[i]))

        def validating(i: int, trained: Part) -> Part:
            if validation is None or trained.starved:
                return Part(NAN, 0.0, trained.starved)
            return self._timed(lambda: self.validate(i, validation))

        # The parts of a single network's batch fill the workers by themselves.
        workers = self._workers if self._shards == 1 else CALLER
        return [_row(*parts) for parts in workers.in_two(order, training, validating)]

    def train(self, i: int, train: Sequence[Batch], tau: Tau, rate: Tau) -> Tensor:
        """Train sibling i on its batch, without waiting for a GPU.

        Args:
            i: the number of the sibling in the round.
            train: as in `step`.
            tau: as in `step`.
            rate: how far the running averages move towards the newest values, from 0 to 1.

        Returns:
            The mean loss in nats before the step, a tensor of no dimension.
        """
        batch = train[i % len(train)]
        if self._shards == 1:
            return self.live[i].train(batch, tau, rate)
        parts = shards_of(batch, self._shards)
        return self.live[i].train_in_parts(parts, tau, rate, self._workers.map)

    def validate(self, i: int, validation: Sequence[Batch]) -> Tensor:
        """Validate sibling i on its batch.

        Returns:
            The mean loss in nats, a tensor of no dimension.
        """
        return self.live[i].validate(validation[i % len(validation)])

    def score(self, order: Sequence[int], split: Split) -> np.ndarray:
        """Evaluate siblings on a whole split.

        Args:
            order: the numbers of the siblings.
            split: the images and labels.

        Returns:
            The mean loss in nats and the accuracy of each sibling, (len(order), 2). With class
            weights both are weighted.
        """
        starts = range(0, len(split), EVALUATION_BATCH)

        def score(task: tuple[int, int]) -> Tensor:
            i, start = task
            return self.live[i].score(split.chunk(start, EVALUATION_BATCH))

        parts = list(self._workers.map(score, [(i, start) for i in order for start in starts]))
        # The host waits for a GPU once.
        rows: np.ndarray = torch.stack(parts).cpu().numpy() if parts else np.zeros((0, 3))
        totals = rows.reshape(-1, len(starts), 3).sum(1)
        return np.stack([totals[:, 0] / len(split), totals[:, 1] / totals[:, 2]], 1)

    def logits(self, i: int, split: Split) -> Tensor:
        """Return the logits (images, classes) of sibling i on a split, on the CPU."""
        starts = range(0, len(split), EVALUATION_BATCH)
        chunks = (split.chunk(start, EVALUATION_BATCH)[0] for start in starts)
        return torch.cat([part.cpu() for part in self._workers.map(self.live[i].logits, chunks)])

    def finite(self) -> dict[int, tuple[float]]:
        """Return 1.0 for each sibling whose last weights are all finite, else 0.0."""
        sound = {
            i: torch.stack([torch.isfinite(t).all() for t in tensors(sibling.last)]).all()
            for i, sibling in self.live.items()
        }
        # The host waits for a GPU once.
        values = torch.stack(list(sound.values())).tolist() if sound else []
        return {i: (float(value),) for i, value in zip(sound, values, strict=True)}

    def kinetic_energies(self) -> dict[int, tuple[float]]:
        """Return |v|^2 / 2 of each sibling, summed over its tensors in float64."""
        squares = {
            i: torch.stack([t.square().sum() for t in sibling.last.v.values()])
            for i, sibling in self.live.items()
        }
        if not squares:
            return {}
        numbers = iter(torch.cat(list(squares.values())).tolist())  # waits for a GPU once
        return {i: (0.5 * sum(next(numbers) for _ in range(len(s))),) for i, s in squares.items()}

    def _timed(self, work: Callable[[], Tensor]) -> Part:
        began = time.perf_counter()
        try:
            return Part(work().item(), time.perf_counter() - began, False)
        except (MemoryError, RuntimeError) as error:
            if not self._spare or not memory.exhausted(error):
                raise
            return Part(NAN, time.perf_counter() - began, True)


def _row(trained: Part, validated: Part) -> Outcome:
    seconds = trained.seconds + validated.seconds
    if validated.starved:
        return Outcome(NAN, NAN, seconds, 1.0)
    return Outcome(trained.loss, validated.loss, seconds, 0.0)
