"""Update rules: how one training step changes x and v, for all tensors at once.

An update rule is a function (x, v, gradient, tau) that changes x and v in place. tau is a number,
or a tensor of no dimension where a CUDA graph replays the step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import torch
from torch import Tensor

from nasflow.config.kinds import Optimizer
from nasflow.config.training import Training

Tau = float | Tensor
OTHERS = 0.85  # momentum of the tensors that are no kernels, under muon
Update = Callable[[list[Tensor], list[Tensor], list[Tensor], Tau], None]


def heavy_ball(*, friction: float, weight_decay: float) -> Update:
    """Make the rule x <- x + tau v, v <- v - tau (gamma v + grad V(x)), from the old x and v.

    It is step 1 of D.1, an explicitly discretised damped heavy ball. At constant tau it equals
    momentum 1 - tau gamma with learning rate tau^2; it is not the momentum of torch's SGD.

    Args:
        friction: gamma.
        weight_decay: added to the gradient as weight_decay * x, for matrices and kernels only.
    """

    def update(x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: Tau) -> None:
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

    def update(x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: Tau) -> None:
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

    Args:
        momentum: m, of the kernels.
        weight_decay: as in `nesterov`, for the tensors that are no kernels.
    """
    rest = nesterov(momentum=OTHERS, weight_decay=weight_decay)

    def update(x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: Tau) -> None:
        kernels = [i for i, p in enumerate(x) if p.ndim == 4]
        others = [i for i, p in enumerate(x) if p.ndim != 4]
        rest([x[i] for i in others], [v[i] for i in others], [gradient[i] for i in others], tau)
        for i in kernels:
            v[i].mul_(momentum).add_(gradient[i])
            U = orthogonal((gradient[i] + momentum * v[i]).flatten(1)).view(x[i].shape)
            size = x[i].norm()
            x[i].sub_(U * (tau * size / (U.norm() + 1e-7)))
            x[i].mul_(size / (x[i].norm() + 1e-7))

    return update


def orthogonal(matrix: Tensor) -> Tensor:
    """Approximate U V^T of the singular value decomposition U S V^T of a matrix.

    The singular values of the result lie between 0.7 and 1.2 after five quintic Newton-Schulz steps
    X <- (a + b X X^T + c (X X^T)^2) X. All factors are polynomials of the first X X^T and commute,
    so the steps are taken on that square alone; a kernel's matrix, which is nine times as wide as
    high, enters twice instead of ten times.

    Args:
        matrix: (rows, columns).

    Returns:
        A matrix of the same shape.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix.shape[0] <= matrix.shape[1]
    X: Tensor = (matrix if wide else matrix.T) / (matrix.norm() + 1e-7)
    square, product = X @ X.T, torch.eye(len(X), device=X.device, dtype=X.dtype)
    for _ in range(5):
        factor = b * square + c * square @ square
        factor.diagonal().add_(a)
        product = factor @ product
        square = factor @ square @ factor
    X = product @ X
    return X if wide else X.T


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


def no_update(x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: Tau) -> None:
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
    if weight_decay == 0.0:
        return gradient
    return [
        g.add(p, alpha=weight_decay) if p.ndim > 1 else g for g, p in zip(gradient, x, strict=True)
    ]
