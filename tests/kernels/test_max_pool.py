"""The fused max pooling against the operation of torch."""

from __future__ import annotations

import pytest
import torch
from maps import SHAPES, draw

from nasflow.kernels.max_pool import max_pool


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_maxima_are_those_of_torch(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Rounded maps have few different numbers, so that maxima occur twice."""
    for x in (draw(*shape).to(dtype), torch.round(draw(*shape)).to(dtype)):
        pair = [x.clone().requires_grad_() for _ in range(2)]
        ours, exact = max_pool(pair[0]), torch.nn.functional.max_pool2d(pair[1], 2)
        weight = draw(*exact.shape, seed=9).to(dtype)
        assert torch.equal(ours, exact)
        gradients = [
            torch.autograd.grad(y, t, weight)[0] for y, t in zip((ours, exact), pair, strict=True)
        ]
        assert torch.equal(*gradients)
    x[0, 0, 0, 0] = float("nan")
    assert max_pool(x)[0, 0, 0, 0].isnan()
