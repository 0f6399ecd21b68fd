"""The fused mix of two maps against the operations of torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from maps import SHAPES, draw
from torch import Tensor

from nasflow.kernels.mixing import mixed, plain_mixed


@pytest.mark.parametrize("operation", [mixed, plain_mixed])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_mixes_are_those_of_torch(
    shape: tuple[int, ...], dtype: torch.dtype, operation: Any
) -> None:
    maps = [draw(*shape, seed=i).to(dtype) for i in (4, 5)]
    weight = draw(*shape, seed=9).to(dtype)

    def run(operation: Any, *given: Tensor) -> list[Tensor]:
        leaves = [t.clone().requires_grad_() for t in given]
        y = operation(*leaves)
        return [y.detach(), *torch.autograd.grad(y, leaves, weight.to(y.dtype))]

    mix = 0.5 + draw(shape[1], seed=6)
    ours = run(operation, *maps, mix)
    exact = run(plain_mixed, *(t.double() for t in (*maps, mix)))
    assert [t.dtype for t in ours] == 3 * [dtype] + [torch.float32]
    for a, b in zip(ours[:3], exact[:3], strict=True):
        allowed = 2e-7 if dtype == torch.float32 else 2**-8
        torch.testing.assert_close(a.double(), b, rtol=allowed, atol=2e-7)
    torch.testing.assert_close(ours[3].double(), exact[3], rtol=1e-4, atol=1e-5)
