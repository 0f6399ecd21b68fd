"""The mean of each map, which the head reads: on a CPU by kernels like those of `batch_norm`,
since torch's takes three times as long on channels-last maps, there and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nasflow.kernels.batch_norm_kernels import ZERO, Channels, compiled
from nasflow.kernels.maps import KERNELS_TAKE, Map, channels_last, narrow, numbers, widen


def global_average(y: Tensor) -> Tensor:
    """(N, C) float32, the means of maps (N, C, H, W)."""
    if y.device.type == "cpu" and y.dtype in KERNELS_TAKE:
        result: Tensor = _Mean.apply(y)
        return result
    return y.float().mean((2, 3)) if y.dtype == torch.bfloat16 else y.mean((2, 3))


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
    """Of each map: (N, C)."""
    n, height, width, channels = y.shape
    result = np.empty((n, channels), np.float32)
    total, share = np.empty(channels, np.float32), np.float32(1.0 / (height * width))
    for image in range(n):
        total[:] = ZERO
        for i in range(height):
            for j in range(width):
                x = y[image, i, j]
                for c in range(channels):
                    total[c] += widen(x[c])
        result[image] = total * share
    return result


@compiled
def spread(g: Channels, y: Map) -> None:
    """y becomes the gradient of maps from that of their means, (N, C)."""
    n, height, width, channels = y.shape
    part, share = np.empty(channels, y.dtype), np.float32(1.0 / (height * width))
    for image in range(n):
        for c in range(channels):
            part[c] = narrow(g[image, c] * share, part)
        for i in range(height):
            for j in range(width):
                x = y[image, i, j]
                for c in range(channels):
                    x[c] = part[c]
