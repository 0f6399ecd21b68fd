"""2 x 2 max pooling of maps that do not come directly from a convolution; on a CPU by kernels.

torch keeps an int64 for each number of its output until the backward pass, which is four times as
much memory as a bfloat16 map takes. These kernels keep the input instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nasflow.kernels.maps import KERNELS_TAKE, Map, channels_last, narrow, numbers, widen
from nasflow.kernels.rows import ZERO, compiled


def max_pool(x: Tensor) -> Tensor:
    """Compute the maxima of maps (N, C, H, W) over 2 x 2 windows: (N, C, H // 2, W // 2)."""
    if x.device.type == "cpu" and x.dtype in KERNELS_TAKE:
        result: Tensor = _MaxPool.apply(x)
        return result
    return F.max_pool2d(x, 2)


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        last = channels_last(x)
        n, height, width, channels = last.shape
        y = last.new_empty(n, height // 2, width // 2, channels)
        highest(numbers(last), numbers(y))
        ctx.kept = last
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x = ctx.kept
        del ctx.kept  # torch would keep this until the whole backward pass is done
        dx = torch.zeros_like(x) if x.shape[1] % 2 or x.shape[2] % 2 else torch.empty_like(x)
        give_back(numbers(channels_last(gradients[0])), numbers(x), numbers(dx))
        return dx.permute(0, 3, 1, 2)


@compiled
def highest(x: Map, y: Map) -> None:
    """Write the maxima of x to y; NaN is higher than all numbers."""
    n, height, width, channels = y.shape
    for image in range(n):
        for i in range(height):
            top, low, out = x[image, 2 * i], x[image, 2 * i + 1], y[image, i]
            for j in range(width):
                p, q, r, s, o = top[2 * j], top[2 * j + 1], low[2 * j], low[2 * j + 1], out[j]
                for c in range(channels):
                    u = widen(p[c])
                    v = widen(q[c])
                    u = u if u >= v or u != u else v
                    v = widen(r[c])
                    u = u if u >= v or u != u else v
                    v = widen(s[c])
                    u = u if u >= v or u != u else v
                    o[c] = narrow(u, o)


@compiled
def give_back(g: Map, x: Map, dx: Map) -> None:
    """Write the gradient of x to dx: g at the maximum of each window, and 0 elsewhere in windows.

    Of equal maxima the first one counts, row by row. The results of a window are first written to
    four arrays, which tells the compiler that nothing overlaps (see `gradient_pool`).
    """
    n, height, width, channels = g.shape
    dp, dq = np.empty(channels, x.dtype), np.empty(channels, x.dtype)
    dr, ds = np.empty(channels, x.dtype), np.empty(channels, x.dtype)
    for image in range(n):
        for i in range(height):
            top, low, after = x[image, 2 * i], x[image, 2 * i + 1], g[image, i]
            for j in range(width):
                p, q, r, s = top[2 * j], top[2 * j + 1], low[2 * j], low[2 * j + 1]
                h = after[j]
                for c in range(channels):
                    zp, zq, zr, zs = widen(p[c]), widen(q[c]), widen(r[c]), widen(s[c])
                    best = zq if zq > zp else zp
                    best = zr if zr > best else best
                    best = zs if zs > best else best
                    u = widen(h[c])
                    dp[c] = narrow(u if zp == best else ZERO, dp)
                    u = ZERO if zp == best else u
                    dq[c] = narrow(u if zq == best else ZERO, dq)
                    u = ZERO if zq == best else u
                    dr[c] = narrow(u if zr == best else ZERO, dr)
                    ds[c] = narrow(ZERO if zr == best else u, ds)
                row, next_row = dx[image, 2 * i], dx[image, 2 * i + 1]
                for c in range(channels):
                    row[2 * j, c] = dp[c]
                for c in range(channels):
                    row[2 * j + 1, c] = dq[c]
                for c in range(channels):
                    next_row[2 * j, c] = dr[c]
                for c in range(channels):
                    next_row[2 * j + 1, c] = ds[c]
