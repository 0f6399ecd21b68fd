"""One step of training: x and v from x, v and the gradient, all tensors at once.

A step is a function (x, v, gradient, tau) that changes x and v in place. tau is a number, or a
tensor of no dimension where a CUDA graph replays the step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Tau = float | Tensor
Step = Callable[[list[Tensor], list[Tensor], list[Tensor], Tau], None]


def heavy_ball(*, friction: float, weight_decay: float) -> Step:
    """x <- x + tau v,  v <- v - tau (gamma v + grad V(x)), from the old x and v (D.1, step 1).

    An explicitly discretised damped heavy ball. At constant tau it equals momentum 1 - tau gamma
    with learning rate tau^2; not torch's SGD momentum."""

    def step(x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: Tau) -> None:
        gradient = _decayed(x, gradient, weight_decay)
        add(x, v, tau)
        torch._foreach_mul_(v, 1.0 - tau * friction)
        add(v, gradient, -tau)

    return step


def nesterov(*, momentum: float, weight_decay: float) -> Step:
    """v <- m v + grad,  x <- x - tau (grad + m v): SGD with Nesterov momentum, as torch has it."""

    def step(x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: Tau) -> None:
        gradient = _decayed(x, gradient, weight_decay)
        torch._foreach_mul_(v, momentum)
        torch._foreach_add_(v, gradient)
        add(x, gradient, -tau)
        add(x, v, -tau * momentum)

    return step


def muon(*, momentum: float, weight_decay: float) -> Step:
    """Nesterov whose step for a kernel is made orthogonal and relative to the kernel: with U the
    nearest orthogonal matrix to m v + grad, x <- x - tau |x| U / |U|, then |x| as before
    (Jordan et al. 2024, github.com/KellerJordan/Muon; BatchNorm makes kernels free of scale).

    What is no kernel takes `nesterov`'s step at the same tau."""
    rest = nesterov(momentum=momentum, weight_decay=weight_decay)

    def step(x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: Tau) -> None:
        kernels = [i for i, p in enumerate(x) if p.ndim == 4]
        others = [i for i, p in enumerate(x) if p.ndim != 4]
        rest([x[i] for i in others], [v[i] for i in others], [gradient[i] for i in others], tau)
        for i in kernels:
            v[i].mul_(momentum).add_(gradient[i])
            U = orthogonal((gradient[i] + momentum * v[i]).flatten(1)).view(x[i].shape)
            size = x[i].norm()
            x[i].sub_(U * (tau * size / (U.norm() + 1e-7)))
            x[i].mul_(size / (x[i].norm() + 1e-7))

    return step


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly U V^T of the singular value decomposition U S V^T: its singular values lie between
    0.7 and 1.2 after five quintic Newton-Schulz steps X <- (a + b X X^T + c (X X^T)^2) X.

    All factors are polynomials of the first X X^T and commute, so the steps are taken on that
    square alone; a kernel's matrix, nine times as wide as high, enters twice instead of ten times.
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


def make(name: str, *, friction: float, momentum: float, weight_decay: float) -> Step:
    """The step of that name (config: `optimizer`)."""
    if name == "heavy_ball":
        return heavy_ball(friction=friction, weight_decay=weight_decay)
    make_step = muon if name == "muon" else nesterov
    return make_step(momentum=momentum, weight_decay=weight_decay)


def add(x: list[Tensor], y: list[Tensor], factor: Tau) -> None:
    """x <- x + factor y."""
    if isinstance(factor, Tensor):
        torch._foreach_add_(x, torch._foreach_mul(y, factor))
    else:
        torch._foreach_add_(x, y, alpha=factor)


def _decayed(x: list[Tensor], gradient: list[Tensor], weight_decay: float) -> list[Tensor]:
    """Gradient + weight_decay x, for matrices and kernels only: decaying BatchNorm's scales,
    shifts and the mixes of skips pulls them to values that mean nothing."""
    if weight_decay == 0.0:
        return gradient
    return [
        g.add(p, alpha=weight_decay) if p.ndim > 1 else g for g, p in zip(gradient, x, strict=True)
    ]
