"""One step of all siblings of a process together, from which the host reads nothing.

It is what a CUDA graph records (module `cuda_graph`). The siblings differ in their batches and
gradients only, so that one update over the tensors of all of them replaces an update for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nasflow.training.optim import Tau
from nasflow.training.sibling import Batch, Sibling, Slope, shards_of, update
from nasflow.training.workers import Each

NAN = float("nan")


class JointStep:
    """A function that trains siblings for one step and then validates them.

    Args:
        siblings: the siblings by their number in the round, in the order of the results.
        shards: equal parts of a training batch, each with BatchNorm statistics of its own.
    """

    def __init__(self, siblings: Mapping[int, Sibling], shards: int) -> None:
        self._siblings, self._shards = dict(siblings), shards

    @property
    def state(self) -> list[Tensor]:
        """All tensors that a step changes."""
        return [t for sibling in self._siblings.values() for t in sibling.tensors]

    def __call__(
        self,
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: Tau,
        rate: Tau,
        each: Each,
    ) -> Tensor:
        """Take the step: all gradients, then one update, then all validations.

        Args:
            train: one batch for all siblings, or one for each sibling of the round.
            validation: the same for validation; None for none.
            tau: the step size.
            rate: how far the running averages move towards the newest values, from 0 to 1.
            each: maps a function over gradients, and over validations, which do not depend on one
                another. When it returns, all of them are done for what follows.

        Returns:
            The training and the validation losses in nats, float64 (siblings, 2); NaN without
            validation.
        """
        slopes = self._slopes(train, each)
        update(list(self._siblings.values()), [slope.gradient for slope in slopes], tau, rate)
        trained = torch.stack([slope.loss for slope in slopes]).double()
        if validation is None:
            return torch.stack([trained, torch.full_like(trained, NAN)], 1)

        def validated(i: int) -> Tensor:
            return self._siblings[i].validate(validation[i % len(validation)])

        losses = list(each(validated, self._siblings))
        return torch.stack([trained, torch.stack(losses).double()], 1)

    def _slopes(self, train: Sequence[Batch], each: Each) -> list[Slope]:
        """Compute the gradient of each sibling; with shards, all parts are independent tasks."""
        whole = {i: train[i % len(train)] for i in self._siblings}
        if self._shards == 1:
            return list(each(lambda i: self._siblings[i].slope(whole[i]), whole))
        tasks = [(i, part) for i in whole for part in shards_of(whole[i], self._shards)]
        found = list(each(lambda task: self._siblings[task[0]].part_slope(task[1]), tasks))
        parts: dict[int, list[Slope]] = {i: [] for i in whole}
        for (i, _), slope in zip(tasks, found, strict=True):
            parts[i].append(slope)
        return [self._siblings[i].mean_slope(own) for i, own in parts.items()]
