"""Maps seen as rows of numbers, for kernels in which only the channel of a number matters.

A map (N, H, W, C) is seen as (rows, L) with L = C * repeat, so that a loop over L fills the vector
registers of the CPU even where a map has few channels. Parameters with one number for each channel
are repeated to the length L (`tile`), and sums over rows are added up again for each channel
(`fold`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nasflow.kernels.code_cache import CodeCache
from nasflow.kernels.maps import Map, widen

Channels = NDArray[np.float32]
Wide = NDArray[np.float64]

ZERO = np.float32(0.0)
LANES = 128  # the least length of a row where the map allows it: several vector registers


def compiled(function: Any) -> Any:
    """Compile a function to machine code, which is kept on disk if a cache folder can be written.

    The compiled function releases the interpreter lock while it runs.
    """
    result: Any = njit(nogil=True, error_model="numpy")(function)
    try:
        result._cache = CodeCache(function)  # as `cache=True` does with numba's own cache
    except (RuntimeError, OSError):  # there is no folder that can be written
        return result
    return result


@compiled
def rows_of(z: Map) -> Map:
    """See a map (N, H, W, C) as (rows, L); both share their memory."""
    channels = z.shape[3]
    rows, repeat = z.size // channels, 1
    while channels * repeat < LANES and rows % (2 * repeat) == 0:
        repeat *= 2
    return z.reshape(rows // repeat, channels * repeat)


@compiled
def tile(values: NDArray[Any], length: int) -> Channels:
    """Repeat (C,) to (length,), in float32."""
    result = np.empty(length, np.float32)
    for c in range(length):
        result[c] = widen(values[c % len(values)])
    return result


@compiled
def fold(values: Channels, channels: int) -> Wide:
    """Add up (L,) to (C,) in double precision: the numbers of each channel."""
    result = np.zeros(channels, np.float64)
    for c in range(len(values)):
        result[c % channels] += values[c]
    return result
