"""BatchNorm, ReLU and max pooling of the output of a convolution, fused, forward and backward.

Small networks on a CPU are bound by memory. torch reads and writes a map of activations ten times
for BatchNorm + ReLU + pool and their gradients; these kernels do so four times. numba compiles them
once on each machine (about 12 s; the result is kept on disk). They release the interpreter lock,
and they sum in one fixed order.

Maps are those of the module `maps`; with bfloat16 half as much memory is read and written. Where
only the channel of a number matters, a map is seen as rows (module `rows`).

Products and sums are not contracted to fused multiply-adds. So the backward pass computes the
activations of the forward pass again, bit for bit as they were before rounding, and with them it
finds the maximum of a pool.

In the docstrings, z is the output of the convolution, y = max(a z + b, 0) that of the ReLU, and g
the gradient of the loss with respect to the result. g' is the gradient behind the ReLU: g where
a z + b > 0, and 0 elsewhere.
"""

from __future__ import annotations

import numpy as np

from nasflow.kernels.line import Kept, Pair, Rule, Three, factors, line
from nasflow.kernels.maps import Map, narrow, widen
from nasflow.kernels.rows import ZERO, Channels, Wide, compiled, fold, rows_of, tile


@compiled
def rectify(z: Map, a: Channels, b: Channels, y: Map) -> None:
    """Write max(a z + b, 0) to y; NaN stays NaN."""
    x, out = rows_of(z), rows_of(y)
    rows, length = x.shape
    scale, shift = tile(a, length), tile(b, length)
    for r in range(rows):
        for c in range(length):
            u = widen(x[r, c]) * scale[c] + shift[c]
            out[r, c] = narrow(ZERO if u < ZERO else u, out)


@compiled
def rectify_pool(z: Map, a: Channels, b: Channels, y: Map) -> None:
    """Write the maxima of max(a z + b, 0) over 2 x 2 windows to y, (N, H // 2, W // 2, C)."""
    n, height, width, channels = z.shape
    for image in range(n):
        for i in range(height // 2):
            top, low, out = z[image, 2 * i], z[image, 2 * i + 1], y[image, i]
            for j in range(width // 2):
                p, q, r, s, o = top[2 * j], top[2 * j + 1], low[2 * j], low[2 * j + 1], out[j]
                for c in range(channels):
                    u = widen(p[c]) * a[c] + b[c]
                    v = widen(q[c]) * a[c] + b[c]
                    u = v if v > u else u
                    v = widen(r[c]) * a[c] + b[c]
                    u = v if v > u else u
                    v = widen(s[c]) * a[c] + b[c]
                    u = v if v > u else u
                    o[c] = narrow(ZERO if u < ZERO else u, o)


@compiled
def sums(g: Map, z: Map, a: Channels, b: Channels, mean: Channels) -> tuple[Wide, Wide]:
    """Sum g' and g' (z - mean) over all pixels, (C,) float64 each."""
    channels = z.shape[3]
    x, y = rows_of(z), rows_of(g)
    rows, length = x.shape
    scale, shift, average = tile(a, length), tile(b, length), tile(mean, length)
    total, product = np.zeros(length, np.float32), np.zeros(length, np.float32)
    for r in range(0, rows - rows % 2, 2):
        for c in range(length):
            p, q = widen(x[r, c]), widen(x[r + 1, c])
            u = widen(y[r, c]) if p * scale[c] + shift[c] > ZERO else ZERO
            v = widen(y[r + 1, c]) if q * scale[c] + shift[c] > ZERO else ZERO
            total[c] += u + v
            product[c] += u * (p - average[c]) + v * (q - average[c])
    for r in range(rows - rows % 2, rows):
        for c in range(length):
            p = widen(x[r, c])
            u = widen(y[r, c]) if p * scale[c] + shift[c] > ZERO else ZERO
            total[c] += u
            product[c] += u * (p - average[c])
    return fold(total, channels), fold(product, channels)


@compiled
def gradient(g: Map, z: Map, a: Channels, b: Channels, k: Three) -> None:
    """Replace z by k0 g' + k1 z + k2."""
    x, y = rows_of(z), rows_of(g)
    rows, length = x.shape
    scale, shift = tile(a, length), tile(b, length)
    k0, k1, k2 = tile(k[0], length), tile(k[1], length), tile(k[2], length)
    for r in range(rows):
        for c in range(length):
            p = widen(x[r, c])
            u = widen(y[r, c]) if p * scale[c] + shift[c] > ZERO else ZERO
            x[r, c] = narrow(u * k0[c] + p * k1[c] + k2[c], x)


@compiled
def sums_pool(g: Map, z: Map, a: Channels, b: Channels, mean: Channels) -> tuple[Wide, Wide]:
    """Do what `sums` does where a pool follows; g is (N, H // 2, W // 2, C).

    The gradient of a window goes to its maximum; of equal maxima it goes to the first.
    """
    n, height, width, channels = z.shape
    total, product = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
    image_total = np.zeros(channels, np.float64)
    image_product = np.zeros(channels, np.float64)
    for image in range(n):
        total[:] = ZERO
        product[:] = ZERO
        for i in range(height // 2):
            top, low, after = z[image, 2 * i], z[image, 2 * i + 1], g[image, i]
            for j in range(width // 2):
                p, q, r, s = top[2 * j], top[2 * j + 1], low[2 * j], low[2 * j + 1]
                h = after[j]
                for c in range(channels):
                    x = widen(p[c])
                    best = x * a[c] + b[c]
                    other = widen(q[c])
                    y = other * a[c] + b[c]
                    x = other if y > best else x
                    best = y if y > best else best
                    other = widen(r[c])
                    y = other * a[c] + b[c]
                    x = other if y > best else x
                    best = y if y > best else best
                    other = widen(s[c])
                    y = other * a[c] + b[c]
                    x = other if y > best else x
                    best = y if y > best else best
                    u = widen(h[c]) if best > ZERO else ZERO
                    total[c] += u
                    product[c] += u * (x - mean[c])
        image_total += total
        image_product += product
    return image_total, image_product


@compiled
def uncovered(z: Map, k1: Channels, k2: Channels) -> None:
    """Replace z by k1 z + k2 in the last row and column of odd sides, which no window covers."""
    n, height, width, channels = z.shape
    for image in range(n):
        for row in range(height):
            for column in range(width):
                if row >= height // 2 * 2 or column >= width // 2 * 2:
                    x = z[image, row, column]
                    for c in range(channels):
                        x[c] = narrow(widen(x[c]) * k1[c] + k2[c], x)


@compiled
def gradient_pool(g: Map, z: Map, a: Channels, b: Channels, k: Three) -> None:
    """Do what `gradient` does where a pool follows. Pixels that no window covers have g' = 0.

    The results of a window are first written to four arrays of their own, which tells the compiler
    that nothing overlaps. A loop for each array then writes it back. This takes 0.29 ms for a map
    of 4 MB; with array assignments instead of loops it takes 0.71 ms, and without the arrays
    0.86 ms.
    """
    n, height, width, channels = z.shape
    scale, shift = tile(a, channels), tile(b, channels)
    k0, k1, k2 = tile(k[0], channels), tile(k[1], channels), tile(k[2], channels)
    dp, dq = np.empty(channels, z.dtype), np.empty(channels, z.dtype)
    dr, ds = np.empty(channels, z.dtype), np.empty(channels, z.dtype)
    for image in range(n):
        for i in range(height // 2):
            top, low, after = z[image, 2 * i], z[image, 2 * i + 1], g[image, i]
            for j in range(width // 2):
                p, q, r, s = top[2 * j], top[2 * j + 1], low[2 * j], low[2 * j + 1]
                h = after[j]
                for c in range(channels):
                    zp, zq, zr, zs = widen(p[c]), widen(q[c]), widen(r[c]), widen(s[c])
                    yp, yq = zp * scale[c] + shift[c], zq * scale[c] + shift[c]
                    yr, ys = zr * scale[c] + shift[c], zs * scale[c] + shift[c]
                    best = yq if yq > yp else yp
                    best = yr if yr > best else best
                    best = ys if ys > best else best
                    u = widen(h[c]) * k0[c] if best > ZERO else ZERO  # u goes to the first maximum
                    dp[c] = narrow((u if yp == best else ZERO) + zp * k1[c] + k2[c], dp)
                    u = ZERO if yp == best else u
                    dq[c] = narrow((u if yq == best else ZERO) + zq * k1[c] + k2[c], dq)
                    u = ZERO if yq == best else u
                    dr[c] = narrow((u if yr == best else ZERO) + zr * k1[c] + k2[c], dr)
                    u = ZERO if yr == best else u
                    ds[c] = narrow(u + zs * k1[c] + k2[c], ds)
                for c in range(channels):
                    p[c] = dp[c]
                for c in range(channels):
                    q[c] = dq[c]
                for c in range(channels):
                    r[c] = dr[c]
                for c in range(channels):
                    s[c] = ds[c]
    uncovered(z, k1, k2)


@compiled
def forward(z: Map, learned: Pair, running: Pair, rule: Rule, y: Map) -> Kept:
    """Write BatchNorm and ReLU of z to y, and their maxima over 2 x 2 windows if `rule` pools.

    y = max(a z + b, 0) with a = scale / s, b = shift - mean a and s = sqrt(variance + epsilon). In
    training, mean and variance are those of the map, and the running ones move towards them at the
    rate `momentum` (towards the unbiased variance, as in torch). Otherwise they are the running
    ones.

    Args:
        z: the map.
        learned: scale and shift, (C,) each.
        running: the running mean and variance, (C,) each; training changes them in place.
        rule: whether it is training, whether it pools, the momentum and epsilon.
        y: the map that takes the result.

    Returns:
        a, b, mean and 1 / s, (C,) each, which `backward` needs.
    """
    pool = rule[1]
    a, b, mean, inverse = line(z, learned, running, rule)
    if pool:
        rectify_pool(z, a, b, y)
    else:
        rectify(z, a, b, y)
    return a, b, mean, inverse


@compiled
def backward(g: Map, z: Map, kept: Kept, rule: Rule) -> Pair:
    """Replace z by its gradient dz, and compute the gradients of scale and shift.

    With g' = g where y > 0 and s^2 = variance + epsilon (Ioffe & Szegedy 2015), in training:
    dz = a (g' - mean(g') - (z - mean) mean(g' (z - mean)) / s^2).
    Otherwise mean and variance do not depend on z, and dz = a g'.

    Args:
        g: the gradient with respect to the result of `forward`.
        z: the map that `forward` read.
        kept: what `forward` returned.
        rule: the same as for `forward`.

    Returns:
        The gradients of scale and shift, (C,) each.
    """
    training, pool, _, _ = rule
    a, b, mean, inverse = kept
    average = mean.astype(np.float32)
    total, product = sums_pool(g, z, a, b, average) if pool else sums(g, z, a, b, average)
    k = factors(kept, (total, product), z.size // z.shape[3], training)
    if pool:
        gradient_pool(g, z, a, b, k)
    else:
        gradient(g, z, a, b, k)
    return (inverse * product).astype(np.float32), total.astype(np.float32)
