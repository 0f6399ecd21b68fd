"""The nearest orthogonal matrix, by Newton-Schulz steps: for one matrix, and for many at once.

The result is U V^T of the singular value decomposition U S V^T of a matrix, up to singular values
between 0.7 and 1.2. Five quintic steps X <- (a + b X X^T + c (X X^T)^2) X lead to it. All factors
are polynomials of the first X X^T and commute, so the steps are taken on that square alone; a
kernel's matrix, which is nine times as wide as high, enters twice instead of ten times.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

A, B, C = 3.4445, -4.7750, 2.0315
STEPS = 5
TINY = 1e-7  # is added to norms, so that a matrix of zeros is divided by no zero


def orthogonal(matrix: Tensor) -> Tensor:
    """Approximate the orthogonal matrix that is nearest to a matrix.

    Args:
        matrix: (rows, columns).

    Returns:
        A matrix of the same shape.
    """
    wide = matrix.shape[0] <= matrix.shape[1]
    X: Tensor = (matrix if wide else matrix.T) / (matrix.norm() + TINY)
    product = square = X @ X.T
    for step in range(STEPS):
        factor = B * square + C * square @ square
        factor.diagonal().add_(A)
        product = factor if step == 0 else factor @ product
        if step < STEPS - 1:  # the last step does not need it
            square = factor @ square @ factor
    X = product @ X
    return X if wide else X.T


def orthogonal_batch(stacks: Sequence[Tensor]) -> list[Tensor]:
    """Do the same as `orthogonal` for many matrices, up to rounding, in few operations.

    On a GPU the matrices are small, and each operation costs a launch. A matrix alone takes about
    50 operations by `orthogonal`. Here all matrices of one shape take 5, and all of one number of
    rows (or of columns, if these are fewer) take 18 for their steps, whatever the other side is.

    Args:
        stacks: for each shape the matrices of this shape, (count, rows, columns).

    Returns:
        Stacks of the same shapes.
    """
    wide = [t if t.shape[1] <= t.shape[2] else t.mT for t in stacks]
    wide = [t / (norms(t) + TINY) for t in wide]
    sides: dict[int, list[int]] = {}
    for i, X in enumerate(wide):
        sides.setdefault(X.shape[1], []).append(i)
    result = list(wide)
    for group in sides.values():
        squares = [torch.bmm(wide[i], wide[i].mT) for i in group]
        products = torch.split(_product(torch.cat(squares)), [len(s) for s in squares])
        for i, product in zip(group, products, strict=True):
            result[i] = torch.bmm(product, wide[i])
    return [X if t.shape[1] <= t.shape[2] else X.mT for X, t in zip(result, stacks, strict=True)]


def _product(square: Tensor) -> Tensor:
    """Return the product of the factors of all steps, given X X^T, (count, rows, rows) each.

    The multiples of a matrix and the sum are part of a product (`torch.baddbmm`), and what the last
    step does not need is left out."""
    product = square
    for step in range(STEPS):
        bend = torch.baddbmm(square, square, square, beta=B, alpha=C)  # the factor minus A
        if step < STEPS - 1:
            half = torch.baddbmm(square, bend, square, beta=A)
            square = torch.baddbmm(half, half, bend, beta=A)
        if step == 0:
            product = bend
            product.diagonal(dim1=1, dim2=2).add_(A)
        else:
            product = torch.baddbmm(product, bend, product, beta=A)
    return product


def norms(matrices: Tensor) -> Tensor:
    """Return the Frobenius norms of matrices (count, rows, columns), as (count, 1, 1)."""
    found: Tensor = torch.linalg.vector_norm(matrices, dim=(1, 2), keepdim=True)
    return found
