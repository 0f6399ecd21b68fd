"""Update rules: how one training step changes x and v, for all tensors at once.

An update rule is a function (x, v, gradient, tau) that changes x and v in place. tau is a number,
or a tensor of no dimension where a CUDA graph replays the step. The tensors may be those of one
network or of several: each is treated alone.

On a CPU the steps of Muon take a seventh of a training step of wide networks. So they can be given
to the threads that have computed the gradient (`each`). The results are bit for bit the same.
"""

from __future__ import annotations

from typing import Protocol, assert_never

import torch
from torch import Tensor

from nasflow.config.kinds import Optimizer
from nasflow.config.training import Training
from nasflow.training.newton_schulz import TINY, norms, orthogonal, orthogonal_batch
from nasflow.training.workers import Each

Tau = float | Tensor
OTHERS = 0.85  # momentum of the tensors that are no kernels, under muon


class Update(Protocol):
    """An update rule; `each` maps a function over tensors that do not depend on one another."""

    def __call__(
        self, x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: Tau, each: Each = map
    ) -> None: ...


def heavy_ball(*, friction: float, weight_decay: float) -> Update:
    """Make the rule x <- x + tau v, v <- v - tau (gamma v + grad V(x)), from the old x and v.

    It is step 1 of D.1, an explicitly discretised damped heavy ball. At constant tau it equals
    momentum 1 - tau gamma with learning rate tau^2; it is not the momentum of torch's SGD.

    Args:
        friction: gamma.
        weight_decay: added to the gradient as weight_decay * x, for matrices and kernels only.
    """

    def update(
        x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: Tau, each: Each = map
    ) -> None:
        gradient = _decayed(x, gradient, weight_decay)
        add(x, v, tau)
        torch._foreach_mul_(v, 1.0 - tau * friction)
        add(v, gradient, -tau)

    return update


def nesterov(*, momentum: float, weight_decay: float) -> Update:
    """Make the rule v <- m v + grad, x <- x - tau (grad + m v): SGD with Nesterov momentum.

    It is the same as in torch.

    Args:
        momentum: m.
        weight_decay: added to the gradient as weight_decay * x, for matrices and kernels only.
    """

    def update(
        x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: Tau, each: Each = map
    ) -> None:
        gradient = _decayed(x, gradient, weight_decay)
        torch._foreach_mul_(v, momentum)
        torch._foreach_add_(v, gradient)
        add(x, gradient, -tau)
        add(x, v, -tau * momentum)

    return update


def muon(*, momentum: float, weight_decay: float) -> Update:
    """Make Nesterov's rule with steps that are orthogonal, and relative to the size of the kernel.

    With U the nearest orthogonal matrix to m v + grad, a kernel follows x <- x - tau |x| U / |U|
    and is then scaled back to its former |x| (Jordan et al. 2024,
    github.com/KellerJordan/Muon; BatchNorm makes the scale of kernels meaningless). All other
    tensors take the step of `nesterov` at the same tau, with momentum OTHERS. With the momentum of
    the kernels (0.6) they learn too slowly: AddNIST, a chain of seven convolutions, 100 s on one
    core, test error 14.8 % against 13.0 %.

    On a GPU all kernels take their steps together (`together`). On the CPU each takes its own: that
    is as fast on one thread, and several threads can share the kernels.

    Args:
        momentum: m, of the kernels.
        weight_decay: as in `nesterov`, for the tensors that are no kernels.
    """
    rest = nesterov(momentum=OTHERS, weight_decay=weight_decay)

    def update(
        x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: Tau, each: Each = map
    ) -> None:
        kernels = [i for i, p in enumerate(x) if p.ndim == 4]
        others = [i for i, p in enumerate(x) if p.ndim != 4]
        rest([x[i] for i in others], [v[i] for i in others], [gradient[i] for i in others], tau)
        if kernels and x[0].is_cuda:
            slopes = [gradient[i] for i in kernels]
            together([x[i] for i in kernels], [v[i] for i in kernels], slopes, momentum, tau)
            return
        kernels.sort(key=lambda i: -x[i].numel())  # so that threads end at about the same time
        list(each(lambda i: _turn(x[i], v[i], gradient[i], momentum, tau), kernels))

    return update


@torch.no_grad()  # a thread of a pool knows nothing of the caller's `no_grad`
def _turn(kernel: Tensor, velocity: Tensor, slope: Tensor, momentum: float, tau: Tau) -> None:
    """Take the step of `muon` for one kernel."""
    velocity.mul_(momentum).add_(slope)
    U = orthogonal((slope + momentum * velocity).flatten(1)).view(kernel.shape)
    size = kernel.norm()
    kernel.sub_(U * (tau * size / (U.norm() + TINY)))
    kernel.mul_(size / (kernel.norm() + TINY))


def together(
    x: list[Tensor], v: list[Tensor], gradient: list[Tensor], momentum: float, tau: Tau
) -> None:
    """Take the step of `muon` for all kernels at once: those of one matrix shape form a batch.

    It equals the step for each kernel alone up to rounding. On a GPU each operation costs a launch.
    This takes 17 operations for each shape and 19 for each number of filters, against 70 for each
    kernel. (Where a matrix has fewer columns than rows, their number counts instead.)

    Args:
        x: kernels (filters, inputs, height, width), in channels-last memory for the best speed.
        v: their velocities.
        gradient: their gradients.
        momentum: m of `muon`.
        tau: the step size.
    """
    torch._foreach_mul_(v, momentum)
    torch._foreach_add_(v, gradient)
    ahead = list(torch._foreach_add(gradient, v, alpha=momentum))
    groups: dict[tuple[int, int], list[int]] = {}
    for i, kernel in enumerate(x):
        groups.setdefault((kernel.shape[0], kernel[0].numel()), []).append(i)
    stacks = [(_matrices(x, group), _matrices(ahead, group)) for group in groups.values()]
    turns = orthogonal_batch([forward for _, forward in stacks])
    moved = list(x)
    for group, (kernels, _), U in zip(groups.values(), stacks, turns, strict=True):
        for i, matrix in zip(group, _turned(kernels, U, tau).unbind(), strict=True):
            filters, inputs, height, width = x[i].shape
            moved[i] = matrix.view(filters, height, width, inputs).permute(0, 3, 1, 2)
    torch._foreach_copy_(x, moved)


def _turned(x: Tensor, U: Tensor, tau: Tau) -> Tensor:
    """Return matrices (count, rows, columns) after the step of `muon` along -U."""
    size = norms(x)
    moved = torch.addcmul(x, U, size / (norms(U) + TINY) * tau, value=-1.0)
    return moved * (size / (norms(moved) + TINY))


def _matrices(kernels: list[Tensor], group: list[int]) -> Tensor:
    """Stack some of the kernels as matrices, with the columns in the order of channels-last memory.

    The order of the columns changes neither norms nor the orthogonal matrix, and this order is a
    view of the memory of a live network."""
    return torch.stack([kernels[i].permute(0, 2, 3, 1).flatten(1) for i in group])


def make(training: Training) -> Update:
    """Make the update rule that a section of the configuration names."""
    decay = training.weight_decay
    match training.optimizer:
        case Optimizer.HEAVY_BALL:
            return heavy_ball(friction=training.friction, weight_decay=decay)
        case Optimizer.SGD:
            return nesterov(momentum=training.momentum, weight_decay=decay)
        case Optimizer.MUON:
            return muon(momentum=training.momentum, weight_decay=decay)
        case _:
            assert_never(training.optimizer)


def no_update(
    x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: Tau, each: Each = map
) -> None:
    """Change nothing: the rule of networks that are only evaluated."""


def add(x: list[Tensor], y: list[Tensor], factor: Tau) -> None:
    """Change x to x + factor y, in place."""
    if isinstance(factor, Tensor):
        torch._foreach_add_(x, torch._foreach_mul(y, factor))
    else:
        torch._foreach_add_(x, y, alpha=factor)


def _decayed(x: list[Tensor], gradient: list[Tensor], weight_decay: float) -> list[Tensor]:
    """Add weight_decay * x to the gradients of matrices and kernels.

    To decay the scales and shifts of BatchNorm and the mixes of skips would pull them to values
    that mean nothing."""
    chosen = [i for i, p in enumerate(x) if p.ndim > 1]
    if weight_decay == 0.0 or not chosen:
        return gradient
    slopes, decayed = [gradient[i] for i in chosen], list(gradient)
    sums = torch._foreach_add(slopes, [x[i] for i in chosen], alpha=weight_decay)
    for i, slope in zip(chosen, sums, strict=True):
        decayed[i] = slope
    return decayed
