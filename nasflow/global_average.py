"""The mean of each map, which the head reads: on a CPU in float32 by kernels like those of
nasflow.kernels, since torch's takes three times as long on channels-last maps, there and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nasflow.kernels import ZERO, Map, compiled


def global_average(y: Tensor) -> Tensor:
    """(N, C), the means of maps (N, C, H, W)."""
    if y.device.type == "cpu" and y.dtype == torch.float32:
        result: Tensor = _Mean.apply(y)
        return result
    return y.mean((2, 3))


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor) -> Tensor:
        maps = y.permute(0, 2, 3, 1).contiguous().numpy()
        ctx.shape = maps.shape
        return torch.from_numpy(means(maps))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        maps = spread(gradients[0].contiguous().numpy(), ctx.shape)
        return torch.from_numpy(maps).permute(0, 3, 1, 2)


@compiled
def means(y: Map) -> Map:
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
                    total[c] += x[c]
        result[image] = total * share
    return result


@compiled
def spread(g: Map, shape: tuple[int, int, int, int]) -> Map:
    """The gradient of maps of that shape from that of their means, (N, C)."""
    n, height, width, channels = shape
    result = np.empty(shape, np.float32)
    part, share = np.empty(channels, np.float32), np.float32(1.0 / (height * width))
    for image in range(n):
        part[:] = g[image] * share
        for i in range(height):
            for j in range(width):
                x = result[image, i, j]
                for c in range(channels):
                    x[c] = part[c]
    return result
