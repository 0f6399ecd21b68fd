"""Maps of activations as compiled kernels see them: (N, H, W, C), float32 or bfloat16.

N counts images, H and W are height and width, and C counts channels; in memory the channels of one
pixel stand side by side. numba knows no bfloat16, so that such a map is an array of uint16, which
hold the upper halves of float32 numbers. A kernel reads numbers by `widen` and writes them by
`narrow`. So it computes in float32, and it can be compiled for maps of both types. For float32
`widen` and `narrow` do nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import types
from numba.extending import overload
from numpy.typing import NDArray
from torch import Tensor

Map = NDArray[Any]  # float32, or the uint16 of bfloat16
KERNELS_TAKE = (torch.float32, torch.bfloat16)


def channels_last(t: Tensor) -> Tensor:
    """Return a tensor (N, C, H, W) as a contiguous (N, H, W, C) that autograd does not follow.

    It shares its memory with the tensor if that is in channels-last format already; otherwise it
    is a copy.
    """
    return t.detach().permute(0, 2, 3, 1).contiguous()


def numbers(t: Tensor) -> Map:
    """Return the memory of a tensor as an array: float32, or the uint16 that stand for bfloat16."""
    if t.dtype == torch.bfloat16:
        return t.view(torch.int16).numpy().view(np.uint16)
    return t.numpy()


def widen(number: Any) -> np.float32:
    """Convert a number of a map to float32, exactly. Only compiled code can call it."""
    raise NotImplementedError


def narrow(number: np.float32, like: Map) -> Any:
    """Convert a number to the type of the map `like`. Only compiled code can call it.

    bfloat16 is rounded to the nearest number, and ties go to the even one. NaN stays NaN.
    """
    raise NotImplementedError


@overload(widen, strict=False)
def _widen(number: Any) -> Any:
    if number == types.uint16:
        return lambda number: np.uint32(np.uint32(number) << 16).view(np.float32)
    return lambda number: number


@overload(narrow, strict=False)
def _narrow(number: Any, like: Any) -> Any:
    if like.dtype != types.uint16:
        return lambda number, like: number

    def rounded(number: Any, like: Any) -> Any:
        bits = np.float32(number).view(np.uint32)
        odd = np.uint32(np.uint32(bits >> 16) & np.uint32(1))
        return np.uint16(np.uint32(bits + np.uint32(0x7FFF) + odd) >> 16)

    return rounded
