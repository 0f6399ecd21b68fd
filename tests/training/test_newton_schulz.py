"""The nearest orthogonal matrix: for one matrix, and for many at once."""

from __future__ import annotations

import torch

from nasflow.training.newton_schulz import orthogonal, orthogonal_batch

SHAPES = ((8, 27), (40, 9), (16, 16), (8, 72))


def test_orthogonal_brings_all_singular_values_near_one() -> None:
    draw = torch.Generator().manual_seed(0)
    for shape in SHAPES:
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=draw)))
        assert 0.6 < values.min() <= values.max() < 1.3


def test_orthogonal_takes_the_printed_steps() -> None:
    draw = torch.Generator().manual_seed(0)
    for shape in SHAPES:
        matrix = torch.randn(shape, generator=draw, dtype=torch.float64)
        X = matrix / matrix.norm()
        for _ in range(5):  # a = 3.4445, b = -4.7750, c = 2.0315
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        torch.testing.assert_close(orthogonal(matrix), X, rtol=0, atol=1e-6)


def test_a_batch_is_each_matrix_alone() -> None:
    """Wide, high and square matrices; two shapes have eight rows and take their steps together."""
    draw = torch.Generator().manual_seed(0)
    stacks = [torch.randn((n + 1, *shape), generator=draw) for n, shape in enumerate(SHAPES)]
    stacks[1][0] *= 1e-3  # the size of a matrix does not matter
    found = orthogonal_batch(stacks)
    for matrices, results in zip(stacks, found, strict=True):
        for matrix, result in zip(matrices, results, strict=True):
            alone = orthogonal(matrix)
            assert (result - alone).norm() < 1e-4 * alone.norm()


def test_a_matrix_without_a_finite_number_spoils_no_other_one_of_its_batch() -> None:
    matrices = torch.randn((3, 4, 9), generator=torch.Generator().manual_seed(0))
    whole = orthogonal_batch([matrices])[0]
    matrices[1, 0, 0] = float("nan")
    found = orthogonal_batch([matrices])[0]
    assert torch.equal(found[::2], whole[::2])
    assert not torch.isfinite(found[1]).any()


def test_a_matrix_of_zeros_stays_one() -> None:
    assert not orthogonal_batch([torch.zeros(2, 3, 9)])[0].any()
