"""BatchNorm + activation (+ max pooling) of a convolution's output, in two implementations.

`plain` consists of torch's own operations and runs everywhere. `activated` uses the kernels of
`batch_norm_kernels` (ReLU), `smooth_kernels` (GELU) and `smooth_pool_kernels` (GELU and a pool) on
a CPU, in float32 and bfloat16; they give the same numbers up to rounding. With bfloat16 the maps
are bfloat16 in both implementations. All tensors of the BatchNorm, the moments and the sums are
float32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nasflow.kernels import batch_norm_kernels, smooth_kernels, smooth_pool_kernels
from nasflow.kernels.maps import KERNELS_TAKE, channels_last, numbers

EPSILON = 1e-5
MOMENTUM = 0.3


class Norm(NamedTuple):
    """The tensors of a BatchNorm, (C,) each.

    Attributes:
        scale: learned.
        shift: learned.
        mean: the running mean.
        variance: the running variance.
    """

    scale: Tensor
    shift: Tensor
    mean: Tensor
    variance: Tensor


def activated(z: Tensor, norm: Norm, *, training: bool, pool: bool, smooth: bool = False) -> Tensor:
    """Compute ReLU or GELU of BatchNorm(z), and its maxima over 2 x 2 windows if `pool`.

    Args:
        z: the output of a convolution, (N, C, H, W). The backward pass may overwrite it by its
            gradient. A bfloat16 map is normalised in float32, and the result is rounded.
        norm: the tensors of the BatchNorm.
        training: True normalises by the moments of the batch, and moves the running statistics
            towards them at the rate MOMENTUM, in place. False normalises by the running statistics.
        pool: whether a 2 x 2 max pool follows.
        smooth: True for GELU (its tanh form), False for ReLU.

    Returns:
        (N, C, H, W), or (N, C, H // 2, W // 2) with `pool`.
    """
    if z.device.type == "cpu" and z.dtype in KERNELS_TAKE:
        result: Tensor = _Fused.apply(z, *norm, training, pool, smooth)
        return result
    return plain(z, norm, training=training, pool=pool, smooth=smooth)


def plain(z: Tensor, norm: Norm, *, training: bool, pool: bool, smooth: bool = False) -> Tensor:
    """Compute the same as `activated` by torch's own operations; the result has the type of z.

    torch's BatchNorm takes a bfloat16 map together with float32 tensors, on a GPU and on a CPU. It
    computes moments and sums in float32, and it keeps no copy of the map in float32.
    """
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
    y = F.gelu(y, approximate="tanh") if smooth else F.relu(y, inplace=True)
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
        smooth: bool,
    ) -> Tensor:
        n, channels, height, width = z.shape
        size = (height // 2, width // 2) if pool else (height, width)
        y, last = z.new_empty(n, *size, channels), channels_last(z)
        rule = (training, pool, MOMENTUM, EPSILON)
        learned, running = (scale.numpy(), shift.numpy()), (mean.numpy(), variance.numpy())
        best = (numbers(torch.empty_like(y)),) if smooth and pool else ()
        forward = _kernels(smooth, pool).forward
        kept = forward(numbers(last), learned, running, rule, numbers(y), *best)
        ctx.kept = (last, kept, rule, best, smooth)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        z, kept, rule, best, smooth = ctx.kept
        del ctx.kept  # torch would keep this until the whole backward pass is done
        backward = _kernels(smooth, rule[1]).backward
        learned = backward(numbers(channels_last(gradients[0])), numbers(z), kept, rule, *best)
        return (z.permute(0, 3, 1, 2), *map(torch.from_numpy, learned), *(None,) * 5)


def _kernels(smooth: bool, pool: bool) -> Any:
    """Return the module whose `forward` and `backward` compute an activation."""
    if not smooth:
        return batch_norm_kernels
    return smooth_pool_kernels if pool else smooth_kernels
