"""One step of training: x and v from x, v and the gradient, all tensors at once.

A step is a function (x, v, gradient, tau) that changes x and v in place.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[list[Tensor], list[Tensor], list[Tensor], float], None]


def heavy_ball(*, friction: float, weight_decay: float) -> Step:
    """x <- x + tau v,  v <- v - tau (gamma v + grad V(x)), from the old x and v (D.1, step 1).

    An explicitly discretised damped heavy ball. At constant tau it equals momentum 1 - tau gamma
    with learning rate tau^2; not torch's SGD momentum."""

    def step(x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: float) -> None:
        gradient = _decayed(x, gradient, weight_decay)
        torch._foreach_add_(x, v, alpha=tau)
        torch._foreach_mul_(v, 1.0 - tau * friction)
        torch._foreach_sub_(v, gradient, alpha=tau)

    return step


def nesterov(*, momentum: float, weight_decay: float) -> Step:
    """v <- m v + grad,  x <- x - tau (grad + m v): SGD with Nesterov momentum, as torch has it."""

    def step(x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: float) -> None:
        gradient = _decayed(x, gradient, weight_decay)
        torch._foreach_mul_(v, momentum)
        torch._foreach_add_(v, gradient)
        torch._foreach_sub_(x, gradient, alpha=tau)
        torch._foreach_sub_(x, v, alpha=tau * momentum)

    return step


def make(name: str, *, friction: float, momentum: float, weight_decay: float) -> Step:
    """The step of that name (config: `optimizer`)."""
    if name == "heavy_ball":
        return heavy_ball(friction=friction, weight_decay=weight_decay)
    return nesterov(momentum=momentum, weight_decay=weight_decay)


def _decayed(x: list[Tensor], gradient: list[Tensor], weight_decay: float) -> list[Tensor]:
    """Gradient + weight_decay x, for matrices and kernels only: decaying BatchNorm's scales,
    shifts and the mixes of skips pulls them to values that mean nothing."""
    if weight_decay == 0.0:
        return gradient
    return [
        g.add(p, alpha=weight_decay) if p.ndim > 1 else g for g, p in zip(gradient, x, strict=True)
    ]
