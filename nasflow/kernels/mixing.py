"""The learned mix of two maps that an add node computes; on a CPU by kernels.

The kernels pass over the memory once forward and once backward. torch's own operations take four
passes forward and seven backward.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nasflow.kernels.maps import KERNELS_TAKE, Map, channels_last, narrow, numbers, widen
from nasflow.kernels.rows import Channels, compiled, fold, rows_of, tile


def mixed(first: Tensor, second: Tensor, mix: Tensor) -> Tensor:
    """Compute mix * first + (1 - mix) * second, for maps (N, C, H, W) and a mix (C,)."""
    alike = first.dtype == second.dtype and first.dtype in KERNELS_TAKE
    if first.device.type == "cpu" and alike:
        result: Tensor = _Mixed.apply(first, second, mix)
        return result
    return plain_mixed(first, second, mix)


def plain_mixed(first: Tensor, second: Tensor, mix: Tensor) -> Tensor:
    """Compute the same as `mixed` by torch's own operations.

    Two bfloat16 maps are mixed in float32, and the sum is rounded once, as the kernels do it. A mix
    that was rounded to bfloat16 itself would move by steps of 1/256 near 1.
    """
    part = mix[:, None, None]
    if first.dtype == second.dtype == torch.bfloat16:
        return (part * first + (1.0 - part) * second).to(torch.bfloat16)
    return part.to(first.dtype) * first + (1.0 - part).to(second.dtype) * second


class _Mixed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, mix: Tensor) -> Tensor:
        a, b = channels_last(first), channels_last(second)
        y = torch.empty_like(a)
        blend(numbers(a), numbers(b), mix.detach().numpy(), numbers(y))
        ctx.kept = (a, b, mix.detach().numpy())
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        a, b, mix = ctx.kept
        del ctx.kept  # torch would keep this until the whole backward pass is done
        da, db = torch.empty_like(a), torch.empty_like(b)
        g = numbers(channels_last(gradients[0]))
        dmix = separate(g, numbers(a), numbers(b), mix, numbers(da), numbers(db))
        return da.permute(0, 3, 1, 2), db.permute(0, 3, 1, 2), torch.from_numpy(dmix)


@compiled
def blend(a: Map, b: Map, mix: Channels, y: Map) -> None:
    """Write mix a + (1 - mix) b to y."""
    first, second, out = rows_of(a), rows_of(b), rows_of(y)
    rows, length = first.shape
    part = tile(mix, length)
    rest = np.float32(1.0) - part
    for r in range(rows):
        for c in range(length):
            u = part[c] * widen(first[r, c]) + rest[c] * widen(second[r, c])
            out[r, c] = narrow(u, out)


@compiled
def separate(g: Map, a: Map, b: Map, mix: Channels, da: Map, db: Map) -> Channels:
    """Write mix g to da and (1 - mix) g to db, and compute the gradient of mix.

    Returns:
        The sums over all pixels of g (a - b), (C,).
    """
    first, second, after = rows_of(a), rows_of(b), rows_of(g)
    out, other = rows_of(da), rows_of(db)
    rows, length = first.shape
    part = tile(mix, length)
    rest = np.float32(1.0) - part
    total = np.zeros(length, np.float32)
    for r in range(rows):
        for c in range(length):
            u = widen(after[r, c])
            total[c] += u * (widen(first[r, c]) - widen(second[r, c]))
        for c in range(length):
            out[r, c] = narrow(part[c] * widen(after[r, c]), out)
        for c in range(length):
            other[r, c] = narrow(rest[c] * widen(after[r, c]), other)
    result: Channels = fold(total, len(mix)).astype(np.float32)
    return result
