"""One live network: trained in place, with running averages of it beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nasflow.network.network import Network, Tensors, forward
from nasflow.training import optim
from nasflow.training.class_loss import mean_loss, sums
from nasflow.training.live_network import live, restrided
from nasflow.training.optim import Tau, Update
from nasflow.training.rates import rates
from nasflow.training.teacher import Teacher
from nasflow.training.workers import Each

Batch = tuple[Tensor, Tensor]
Stream = Callable[[int], Batch]  # the batch of each step, such as `training.batches.Batches`


class Manner(NamedTuple):
    """How siblings train.

    Attributes:
        update: the update rule.
        average: the number of steps over which a network is averaged; 1 for no average.
        smoothing: label smoothing, the part of the target that is spread over all classes.
        half: whether convolutions and head compute in bfloat16.
        weights: the weights of the classes in every loss, float32 (classes,) on the device of the
            network; None where all are 1.
        teacher: whose probabilities siblings learn beside the labels; None for none.
    """

    update: Update
    average: int
    smoothing: float
    half: bool
    weights: Tensor | None = None
    teacher: Teacher | None = None


class Slope(NamedTuple):
    """The gradient of the loss of a sibling on a batch or on a part of it.

    Attributes:
        loss: the mean loss in nats before the step, a tensor of no dimension.
        gradient: the gradient of each tensor of x, in their order.
        statistics: running statistics of BatchNorm that a part of a batch moved, in the order of
            those of the sibling; None where those of the sibling itself were moved.
    """

    loss: Tensor
    gradient: list[Tensor]
    statistics: list[Tensor] | None = None


class Sibling:
    """A copy of a network that is trained in place.

    Args:
        network: what is copied.
        manner: how it trains.
        gains: factors of the gradients, by tensor name; None for no factors.

    Attributes:
        manner: how it trains.
        gains: factors of the gradients, in the order of x, with those of `rates` in them.
        last: the network after the latest step.
        mean: a network with the running averages of the x and of the BatchNorm statistics of
            `last`, at which the sibling is validated. It is `last` itself without an average.
    """

    def __init__(self, network: Network, manner: Manner, gains: Mapping[str, float] | None) -> None:
        self.manner = manner
        known = [part for part in (gains, rates(network.architecture)) if part]
        self.gains = [math.prod(part[name] for part in known) for name in network.x]
        self._matrix = f"{network.architecture.head.id}.weight"
        self.last = self.mean = live(network)
        if manner.average > 1:
            self.mean = live(network._replace(v={}))

    @property
    def averaged(self) -> Network:
        """The network at which the sibling is validated, with the velocities of `last`."""
        return self.mean._replace(v=self.last.v)

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors that a step changes."""
        own = tensors(self.last)
        return own if self.mean is self.last else own + tensors(self.mean)

    def restore(self, state: Tensors) -> None:
        """Copy tensors into those of `last` and `mean`.

        Args:
            state: the tensors by the names that `named` gives them, with "mean " before the names
                of those of `mean`.
        """
        parts = {"": self.last} if self.mean is self.last else {"": self.last, "mean ": self.mean}
        with torch.no_grad():
            for kind, network in parts.items():
                for name, t in named(kind, network).items():
                    t.copy_(state[name])

    def train(self, batch: Batch, tau: Tau, rate: Tau) -> Tensor:
        """Take one step, without waiting for a GPU.

        Args:
            batch: images (size, channels, height, width), and labels (size,) or, for mixed images,
                the probabilities of the classes (size, classes).
            tau: the step size.
            rate: how far the average moves towards `last`, from 0 to 1.

        Returns:
            The mean loss in nats before the step, a tensor of no dimension.
        """
        slope = self.slope(batch)
        update([self], [slope.gradient], tau, rate)
        return slope.loss

    def train_in_parts(self, parts: Sequence[Batch], tau: Tau, rate: Tau, each: Each) -> Tensor:
        """Take one step with equal parts of a batch, which are computed side by side.

        Each part has BatchNorm statistics of its own; the running statistics become their mean.

        Args:
            parts: the parts of the batch, each as the batch of `train`.
            tau: the step size.
            rate: as in `train`.
            each: maps a function over the parts, for instance on several threads.

        Returns:
            The mean loss in nats before the step, a tensor of no dimension.
        """
        slope = self.mean_slope(list(each(self.part_slope, parts)))
        update([self], [slope.gradient], tau, rate, each)
        return slope.loss

    def slope(self, batch: Batch) -> Slope:
        """Compute the gradient on a batch, and move the running statistics.

        It does not wait for a GPU, and nor do the two methods below.

        Args:
            batch: as in `train`.
        """
        return Slope(*self._gradient(batch, self.last.buffers))

    def part_slope(self, part: Batch) -> Slope:
        """Compute the gradient on a part of a batch, and move copies of the running statistics."""
        buffers = {name: t.clone() for name, t in self.last.buffers.items()}
        return Slope(*self._gradient(part, buffers), list(buffers.values()))

    def mean_slope(self, parts: Sequence[Slope]) -> Slope:
        """Join the parts of a batch: compute the mean loss, gradient and running statistics.

        Args:
            parts: what `part_slope` returned; their gradients are overwritten.
        """
        loss, gradient, _ = parts[0]
        with torch.no_grad():
            for _, other, _ in parts[1:]:
                torch._foreach_add_(gradient, other)
            torch._foreach_div_(gradient, float(len(parts)))
            moved = zip(*(part.statistics or [] for part in parts), strict=True)
            means = [torch.stack(copies).mean(0) for copies in moved]
            torch._foreach_copy_(list(self.last.buffers.values()), means)
            # In float64 the sum of some float32 numbers is exact.
            loss = torch.stack([part.loss for part in parts]).double().mean()
        return Slope(loss, gradient)

    def validate(self, batch: Batch) -> Tensor:
        """Return the mean loss of a batch in nats, in evaluation mode, at the average."""
        images, labels = batch
        return mean_loss(self.logits(images), labels, self.manner.weights)

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits (images, classes) in evaluation mode, at the average."""
        with torch.no_grad():
            return self._forward(self.mean, images, training=False)

    def score(self, batch: Batch) -> Tensor:
        """Evaluate a batch, without waiting for a GPU.

        Args:
            batch: images (size, channels, height, width) and labels (size,).

        Returns:
            The sum of the losses in nats, the number of images that are classified correctly, and
            the number of images, float64 (3,). With class weights an image counts as its class
            does.
        """
        images, labels = batch
        return sums(self.logits(images), labels, self.manner.weights)

    def seen(self, part: Tensors) -> list[Tensor]:
        """List tensors as update rules see them: a head's weights are a matrix, and no kernel."""
        return [t.flatten(1) if name == self._matrix else t for name, t in part.items()]

    def _forward(self, network: Network, images: Tensor, *, training: bool) -> Tensor:
        g, x, buffers, _ = network
        kind, half = images.device.type, self.manner.half
        with torch.autocast(kind, torch.bfloat16, enabled=half, cache_enabled=False):
            return forward(g, x, buffers, images, training=training).float()

    def _gradient(self, batch: Batch, buffers: Tensors) -> tuple[Tensor, list[Tensor]]:
        images, labels = batch
        network = self.last._replace(buffers=buffers)
        logits = self._forward(network, images, training=True)
        weights, teacher = self.manner.weights, self.manner.teacher
        loss = mean_loss(logits, labels, weights, self.manner.smoothing)
        if teacher is not None:
            loss = teacher.blended(loss, logits, batch, weights)
        gradient = torch.autograd.grad(loss, list(network.x.values()))
        x = network.x.values()
        return loss.detach(), [restrided(t, own) for t, own in zip(gradient, x, strict=True)]


def update(
    siblings: Sequence[Sibling],
    gradients: Sequence[list[Tensor]],
    tau: Tau,
    rate: Tau,
    each: Each = map,
) -> None:
    """Take the step of several siblings at once, along gradients that are known.

    The tensors of all siblings stand in common lists, so that a GPU needs as many kernels for nine
    siblings as for one. For each sibling alone the result is the same up to rounding.

    Args:
        siblings: the siblings; all of them train in the same manner.
        gradients: the gradient of each sibling, in the order of its x; they may be overwritten.
        tau: the step size.
        rate: how far the averages move towards `last`, from 0 to 1.
        each: maps a function over tensors, for instance on several threads of the CPU.
    """
    manner = siblings[0].manner
    gradient = [t for own in gradients for t in own]
    factors = [factor for sibling in siblings for factor in sibling.gains]
    with torch.no_grad():
        if any(factor != 1.0 for factor in factors):
            torch._foreach_mul_(gradient, factors)
        x = [t for s in siblings for t in s.seen(s.last.x)]
        v = [t for s in siblings for t in s.seen(s.last.v)]
        slopes = [
            t
            for s, own in zip(siblings, gradients, strict=True)
            for t in s.seen(dict(zip(s.last.x, own, strict=True)))
        ]
        manner.update(x, v, slopes, tau, each)
        if manner.average > 1:
            last, mean = (
                [t for network in networks for part in network[1:3] for t in part.values()]
                for networks in ([s.last for s in siblings], [s.mean for s in siblings])
            )
            optim.add(mean, list(torch._foreach_sub(last, mean)), rate)


def shards_of(batch: Batch, count: int) -> list[Batch]:
    """Cut a batch into equal parts; where they do not come out even, the last one is smaller."""
    return list(zip(*(t.chunk(count) for t in batch), strict=True))


def tensors(network: Network) -> list[Tensor]:
    """List all tensors of a network, always in the same order."""
    return [t for part in network[1:] for t in part.values()]


def named(kind: str, network: Network) -> Tensors:
    """Return all tensors of a network by names in which x, statistics and v differ.

    Args:
        kind: a text that stands before each name.
        network: the network.

    Returns:
        The tensors under names such as `x.3.weight`; they are not copied.
    """
    return {
        f"{kind}{part}.{name}": t
        for part, held in network._asdict().items()
        if part != "architecture"
        for name, t in held.items()
    }
