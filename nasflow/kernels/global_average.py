"""The mean of each map, which the head reads.

On a CPU it is computed by kernels like those of `batch_norm`. torch's own mean takes three times as
long on channels-last maps, forward and backward together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nasflow.kernels.maps import KERNELS_TAKE, Map, channels_last, narrow, numbers, widen
from nasflow.kernels.rows import ZERO, Channels, compiled


def global_average(y: Tensor) -> Tensor:
    """Compute the means of maps (N, C, H, W) over their pixels: (N, C).

    The result is float32 for maps in float32 and bfloat16, and of the maps' type otherwise.
    """
    if y.device.type == "cpu" and y.dtype in KERNELS_TAKE:
        result: Tensor = _Mean.apply(y)
        return result
    return y.mean((2, 3), dtype=torch.float32 if y.dtype == torch.bfloat16 else None)


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor) -> Tensor:
        last = channels_last(y)
        ctx.shape, ctx.dtype = last.shape, last.dtype
        return torch.from_numpy(means(numbers(last)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        maps = torch.empty(ctx.shape, dtype=ctx.dtype)
        spread(gradients[0].contiguous().numpy(), numbers(maps))
        return maps.permute(0, 3, 1, 2)


@compiled
def means(y: Map) -> Channels:
    """Compute the mean of each map: (N, C)."""
    n, height, width, channels = y.shape
    result = np.empty((n, channels), np.float32)
    total, inverse = np.empty(channels, np.float32), np.float32(1.0 / (height * width))
    for image in range(n):
        total[:] = ZERO
        for i in range(height):
            for j in range(width):
                x = y[image, i, j]
                for c in range(channels):
                    total[c] += widen(x[c])
        result[image] = total * inverse
    return result


@compiled
def spread(g: Channels, y: Map) -> None:
    """Write the gradient of the maps to y, given the gradient g of their means, (N, C)."""
    n, height, width, channels = y.shape
    part, inverse = np.empty(channels, y.dtype), np.float32(1.0 / (height * width))
    for image in range(n):
        for c in range(channels):
            part[c] = narrow(g[image, c] * inverse, part)
        for i in range(height):
            for j in range(width):
                x = y[image, i, j]
                for c in range(channels):
                    x[c] = part[c]
