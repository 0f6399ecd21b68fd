"""Maps of activations as compiled kernels see them: (N, H, W, C), float32 or bfloat16.

numba knows no bfloat16: such a map is one of uint16, the upper halves of float32. A kernel that
reads numbers by `widen` and writes them by `narrow` computes in float32 and is compiled for maps of
either kind; for float32 both do nothing.
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
    """(N, C, H, W) seen as (N, H, W, C), contiguous, outside of what autograd follows."""
    return t.detach().permute(0, 2, 3, 1).contiguous()


def numbers(t: Tensor) -> Map:
    """The tensor's own memory: float32, or the uint16 that stand for bfloat16."""
    if t.dtype == torch.bfloat16:
        return t.view(torch.int16).numpy().view(np.uint16)
    return t.numpy()


def widen(number: Any) -> np.float32:
    """As float32, exactly. For compiled code alone."""
    raise NotImplementedError


def narrow(number: np.float32, like: Map) -> Any:
    """As numbers of the map `like` are kept, rounded to nearest, ties to even; NaN stays NaN. For
    compiled code alone."""
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
