"""BatchNorm and GELU of the output of a convolution, fused, forward and backward.

These kernels do for GELU what `batch_norm_kernels` does for ReLU; where a pool follows, those of
`smooth_pool_kernels` do. y = gelu(u) with u = a z + b and gelu(u) = u (1 + tanh(v)) / 2, where
v = sqrt(2 / pi) (u + 0.044715 u^3) (Hendrycks & Gimpel 2016, arXiv 1606.08415).

tanh is a fraction of two polynomials (see `hyperbolic`), because a call of the exponential function
would keep the compiler from using vector registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nasflow.kernels.line import Kept, Pair, Rule, Three, factors, line
from nasflow.kernels.maps import Map, narrow, widen
from nasflow.kernels.rows import Channels, Wide, compiled, fold, rows_of, tile

HALF, ONE, THREE = np.float32(0.5), np.float32(1.0), np.float32(3.0)
ROOT, CUBE = np.float32(np.sqrt(2.0 / np.pi)), np.float32(0.044715)
BOUND = np.float32(6.29)  # there the fraction reaches 1, and tanh is 1 up to 7e-6
LIMIT = np.float32(4.308)  # there v reaches BOUND; beyond it the slope is 0 or 1 up to 1e-4
P0, P1, P2, P3 = map(np.float32, (34459425.0, 4729725.0, 135135.0, 990.0))
Q0, Q1, Q2, Q3, Q4 = map(np.float32, (34459425.0, 16216200.0, 945945.0, 13860.0, 45.0))


@compiled
def hyperbolic(v: Any) -> Any:
    """Compute tanh(v) by Lambert's continued fraction v / (1 + v^2 / (3 + v^2 / (5 + ...))).

    The fraction is cut off behind 17, which makes it the quotient of two polynomials. It differs
    from tanh by at most 7e-6, near BOUND and beyond.
    """
    v = min(max(v, -BOUND), BOUND)
    s = v * v
    above = P0 + s * (P1 + s * (P2 + s * (P3 + s)))
    return v * above / (Q0 + s * (Q1 + s * (Q2 + s * (Q3 + s * Q4))))


@compiled
def gelu(u: Any) -> Any:
    """Compute gelu(u) of a float32."""
    return u * (HALF + HALF * hyperbolic(ROOT * u * (ONE + CUBE * u * u)))


@compiled
def slope(u: Any) -> Any:
    """Compute the derivative of gelu at u.

    u is bounded, because the cubic factor would blow up the rounding error of 1 - t^2 for large u.
    """
    u = min(max(u, -LIMIT), LIMIT)
    t = hyperbolic(ROOT * u * (ONE + CUBE * u * u))
    return HALF + HALF * t + HALF * u * (ONE - t * t) * ROOT * (ONE + THREE * CUBE * u * u)


@compiled
def activate(z: Map, a: Channels, b: Channels, y: Map) -> None:
    """Write gelu(a z + b) to y."""
    x, out = rows_of(z), rows_of(y)
    rows, length = x.shape
    scale, shift = tile(a, length), tile(b, length)
    for r in range(rows):
        for c in range(length):
            out[r, c] = narrow(gelu(widen(x[r, c]) * scale[c] + shift[c]), out)


@compiled
def sums(
    g: Map, z: Map, a: Channels, b: Channels, mean: Channels, behind: Map
) -> tuple[Wide, Wide]:
    """Sum g' and g' (z - mean) over all pixels, (C,) float64 each, where g' = g slope(a z + b).

    g' is also written to `behind`, float32, because a slope costs more than to read it again.
    """
    channels = z.shape[3]
    x, y, out = rows_of(z), rows_of(g), rows_of(behind)
    rows, length = x.shape
    scale, shift, average = tile(a, length), tile(b, length), tile(mean, length)
    total, product = np.zeros(length, np.float32), np.zeros(length, np.float32)
    for r in range(rows):
        for c in range(length):
            p = widen(x[r, c])
            u = widen(y[r, c]) * slope(p * scale[c] + shift[c])
            out[r, c] = u
            total[c] += u
            product[c] += u * (p - average[c])
    return fold(total, channels), fold(product, channels)


@compiled
def gradient(behind: Map, z: Map, k: Three) -> None:
    """Replace z by k0 g' + k1 z + k2, with g' as `sums` wrote it."""
    x, y = rows_of(z), rows_of(behind)
    rows, length = x.shape
    k0, k1, k2 = tile(k[0], length), tile(k[1], length), tile(k[2], length)
    for r in range(rows):
        for c in range(length):
            x[r, c] = narrow(y[r, c] * k0[c] + widen(x[r, c]) * k1[c] + k2[c], x)


@compiled
def forward(z: Map, learned: Pair, running: Pair, rule: Rule, y: Map) -> Kept:
    """Write gelu(BatchNorm(z)) to y; the arguments and results are those of the kernel for ReLU."""
    a, b, mean, inverse = line(z, learned, running, rule)
    activate(z, a, b, y)
    return a, b, mean, inverse


@compiled
def backward(g: Map, z: Map, kept: Kept, rule: Rule) -> Pair:
    """Replace z by its gradient; the arguments and results are those of the kernel for ReLU."""
    a, b, mean, inverse = kept
    behind = np.empty(z.shape, np.float32)
    total, product = sums(g, z, a, b, mean.astype(np.float32), behind)
    gradient(behind, z, factors(kept, (total, product), z.size // z.shape[3], rule[0]))
    return (inverse * product).astype(np.float32), total.astype(np.float32)
