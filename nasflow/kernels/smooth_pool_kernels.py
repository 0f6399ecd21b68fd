"""BatchNorm, GELU and 2 x 2 max pooling of the output of a convolution, fused.

GELU falls up to u = -0.75 and rises from there. So its maximum over a window lies at the largest u
or at the smallest one, and two values of GELU tell which. The forward pass keeps the z of that
pixel, `best`, from which the backward pass computes one slope for each window, and not one for each
pixel. The symbols are those of `batch_norm_kernels` and `smooth_kernels`.
"""

from __future__ import annotations

import numpy as np

from nasflow.kernels.batch_norm_kernels import uncovered
from nasflow.kernels.line import Kept, Pair, Rule, Three, factors, line
from nasflow.kernels.maps import Map, narrow, widen
from nasflow.kernels.rows import ZERO, Channels, compiled, tile
from nasflow.kernels.smooth_kernels import gelu, sums


@compiled
def activate(z: Map, a: Channels, b: Channels, y: Map, best: Map) -> None:
    """Write the maxima of gelu(a z + b) over windows to y, and the z of each maximum to best."""
    n, height, width, channels = z.shape
    for image in range(n):
        for i in range(height // 2):
            top, low = z[image, 2 * i], z[image, 2 * i + 1]
            for j in range(width // 2):
                p, q, r, s = top[2 * j], top[2 * j + 1], low[2 * j], low[2 * j + 1]
                out, first = y[image, i, j], best[image, i, j]
                for c in range(channels):
                    zp, zq, zr, zs = widen(p[c]), widen(q[c]), widen(r[c]), widen(s[c])
                    most = max(max(zp, zq), max(zr, zs))
                    least = min(min(zp, zq), min(zr, zs))
                    u, v = gelu(most * a[c] + b[c]), gelu(least * a[c] + b[c])
                    out[c] = narrow(v if v > u else u, out)
                    first[c] = narrow(least if v > u else most, first)


@compiled
def gradient(behind: Map, z: Map, best: Map, k: Three) -> None:
    """Replace z by k0 g' + k1 z + k2, with the g' of each window at the first of its maxima.

    Elsewhere g' is 0. The arrays of a window have the purpose that
    `batch_norm_kernels.gradient_pool` tells.
    """
    n, height, width, channels = z.shape
    k0, k1, k2 = tile(k[0], channels), tile(k[1], channels), tile(k[2], channels)
    dp, dq = np.empty(channels, z.dtype), np.empty(channels, z.dtype)
    dr, ds = np.empty(channels, z.dtype), np.empty(channels, z.dtype)
    for image in range(n):
        for i in range(height // 2):
            top, low = z[image, 2 * i], z[image, 2 * i + 1]
            for j in range(width // 2):
                p, q, r, s = top[2 * j], top[2 * j + 1], low[2 * j], low[2 * j + 1]
                h, first = behind[image, i, j], best[image, i, j]
                for c in range(channels):
                    zp, zq, zr, zs = widen(p[c]), widen(q[c]), widen(r[c]), widen(s[c])
                    x, u = widen(first[c]), h[c] * k0[c]
                    dp[c] = narrow((u if zp == x else ZERO) + zp * k1[c] + k2[c], dp)
                    u = ZERO if zp == x else u
                    dq[c] = narrow((u if zq == x else ZERO) + zq * k1[c] + k2[c], dq)
                    u = ZERO if zq == x else u
                    dr[c] = narrow((u if zr == x else ZERO) + zr * k1[c] + k2[c], dr)
                    u = ZERO if zr == x else u
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
def forward(z: Map, learned: Pair, running: Pair, rule: Rule, y: Map, best: Map) -> Kept:
    """Write the maxima of gelu(BatchNorm(z)) to y, and the z of each maximum to best.

    The other arguments and the result are those of `batch_norm_kernels.forward`.
    """
    a, b, mean, inverse = line(z, learned, running, rule)
    activate(z, a, b, y, best)
    return a, b, mean, inverse


@compiled
def backward(g: Map, z: Map, kept: Kept, rule: Rule, best: Map) -> Pair:
    """Replace z by its gradient; best is what `forward` wrote.

    The other arguments and the result are those of `batch_norm_kernels.backward`.
    """
    a, b, mean, inverse = kept
    behind = np.empty(g.shape, np.float32)
    total, product = sums(g, best, a, b, mean.astype(np.float32), behind)  # g' is 0 elsewhere
    gradient(behind, z, best, factors(kept, (total, product), z.size // z.shape[3], rule[0]))
    return (inverse * product).astype(np.float32), total.astype(np.float32)
