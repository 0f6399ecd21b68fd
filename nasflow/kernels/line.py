"""BatchNorm as a line for each channel: a z + b forward, and k0 g' + k1 z + k2 backward.

The kernels of both activations use these functions: `batch_norm_kernels` (ReLU), which explains the
formulas and the symbols, and `smooth_kernels` (GELU).
"""

from __future__ import annotations

import numpy as np

from nasflow.kernels.maps import Map, widen
from nasflow.kernels.rows import Channels, Wide, compiled, fold, rows_of, tile

Pair = tuple[Channels, Channels]
Three = tuple[Channels, Channels, Channels]
Rule = tuple[bool, bool, float, float]  # training, pool, momentum, epsilon
Kept = tuple[Channels, Channels, Wide, Wide]  # a, b, mean, 1 / s


@compiled
def moments(z: Map) -> tuple[Wide, Wide]:
    """Compute the mean and the biased variance of each channel, (C,) float64 each.

    The sums run over z minus the first pixel of the map. So a large mean does not wipe out the
    digits of a small variance.
    """
    channels = z.shape[3]
    x = rows_of(z)
    rows, length = x.shape
    pivot = tile(z[0, 0, 0], length)
    total, square = np.zeros(length, np.float32), np.zeros(length, np.float32)
    for r in range(0, rows - rows % 4, 4):
        for c in range(length):
            a, b = widen(x[r, c]) - pivot[c], widen(x[r + 1, c]) - pivot[c]
            d, e = widen(x[r + 2, c]) - pivot[c], widen(x[r + 3, c]) - pivot[c]
            total[c] += (a + b) + (d + e)
            square[c] += (a * a + b * b) + (d * d + e * e)
    for r in range(rows - rows % 4, rows):
        for c in range(length):
            a = widen(x[r, c]) - pivot[c]
            total[c] += a
            square[c] += a * a
    count = z.size // channels
    mean = fold(total, channels) / count
    variance = np.maximum(fold(square, channels) / count - mean * mean, 0.0)
    return mean + pivot[:channels], variance


@compiled
def line(z: Map, learned: Pair, running: Pair, rule: Rule) -> Kept:
    """Compute a and b of BatchNorm(z) = a z + b, with mean and 1 / s, (C,) each.

    The arguments are those of `batch_norm_kernels.forward`, which explains the result.
    """
    training, _, momentum, epsilon = rule
    if training:
        mean, variance = moments(z)
        count = z.size // z.shape[3]
        running[0][:] += momentum * (mean - running[0])
        running[1][:] += momentum * (variance * (count / max(count - 1, 1)) - running[1])
    else:
        mean, variance = running[0].astype(np.float64), running[1].astype(np.float64)
    inverse = 1.0 / np.sqrt(variance + epsilon)
    a = (learned[0] * inverse).astype(np.float32)
    b = (learned[1] - mean * a).astype(np.float32)
    return a, b, mean, inverse


@compiled
def factors(kept: Kept, summed: tuple[Wide, Wide], count: int, training: bool) -> Three:
    """Compute k0, k1 and k2 of dz = k0 g' + k1 z + k2, (C,) each.

    Args:
        kept: what `line` returned.
        summed: the sums of g' and of g' (z - mean) over all pixels, (C,) each.
        count: the number of pixels.
        training: whether mean and variance depend on z.
    """
    a, _, mean, inverse = kept
    total, product = summed
    k1, k2 = np.zeros(len(a)), np.zeros(len(a))
    if training:
        k1[:] = -a * inverse * inverse * product / count
        k2[:] = -a * total / count - k1 * mean
    return a, k1.astype(np.float32), k2.astype(np.float32)
