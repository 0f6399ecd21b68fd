"""BatchNorm + ReLU (+ max pooling) of a convolution's output: one operation, two implementations.

`plain` is torch's own operations and runs everywhere; on a CPU, in float32 and bfloat16,
`rectified` takes the kernels of `batch_norm_kernels`, which give the same up to rounding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nasflow.kernels import batch_norm_kernels as kernels
from nasflow.kernels.maps import KERNELS_TAKE, channels_last, numbers

EPSILON = 1e-5
MOMENTUM = 0.3


class Norm(NamedTuple):
    """A layer's learned scale and shift and its running mean and variance, (C,) each."""

    scale: Tensor
    shift: Tensor
    mean: Tensor
    variance: Tensor


def rectified(z: Tensor, norm: Norm, *, training: bool, pool: bool) -> Tensor:
    """max(BatchNorm(z), 0), pooled 2 x 2 if `pool`; z (N, C, H, W).

    `training` normalises by the batch and moves the running statistics by MOMENTUM, in place.
    bfloat16 is normalised in float32. z may be overwritten by its gradient."""
    if z.device.type == "cpu" and z.dtype in KERNELS_TAKE:
        result: Tensor = _Fused.apply(z, *norm, training, pool)
        return result
    wide = z.float() if z.dtype == torch.bfloat16 else z
    return plain(wide, norm, training=training, pool=pool)


def plain(z: Tensor, norm: Norm, *, training: bool, pool: bool) -> Tensor:
    """The same in torch's operations."""
    y = F.batch_norm(
        z,
        norm.mean,
        norm.variance,
        norm.scale,
        norm.shift,
        training=training,
        momentum=MOMENTUM,
        eps=EPSILON,
    )
    y = F.relu(y, inplace=True)
    return F.max_pool2d(y, 2) if pool else y


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        scale: Tensor,
        shift: Tensor,
        mean: Tensor,
        variance: Tensor,
        training: bool,
        pool: bool,
    ) -> Tensor:
        n, channels, height, width = z.shape
        size = (height // 2, width // 2) if pool else (height, width)
        y, last = z.new_empty(n, *size, channels), channels_last(z)
        rule = (training, pool, MOMENTUM, EPSILON)
        learned, running = (scale.numpy(), shift.numpy()), (mean.numpy(), variance.numpy())
        kept = kernels.forward(numbers(last), learned, running, rule, numbers(y))
        ctx.kept = (last, kept, rule)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        z, kept, rule = ctx.kept
        del ctx.kept  # torch frees what it saved itself, but not this, before all is done
        learned = kernels.backward(numbers(channels_last(gradients[0])), numbers(z), kept, rule)
        return (z.permute(0, 3, 1, 2), *map(torch.from_numpy, learned), *(None,) * 4)
