"""The fused global average against the operation of torch."""

from __future__ import annotations

import pytest
import torch
from maps import SHAPES, draw

from nasflow.kernels.global_average import global_average


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("shape", SHAPES)
def test_means_are_those_of_torch(shape: tuple[int, ...], layout: torch.memory_format) -> None:
    y = draw(*shape).contiguous(memory_format=layout).requires_grad_()
    weight = draw(*shape[:2], seed=9)
    means, slow = global_average(y), y.double().mean((2, 3))
    torch.testing.assert_close(means.double(), slow, rtol=1e-5, atol=1e-6)
    pair = [torch.autograd.grad((m * weight).sum(), y)[0] for m in (means, slow)]
    torch.testing.assert_close(*pair, rtol=1e-5, atol=1e-7)
    half = y.detach().bfloat16().requires_grad_()
    wide = half.detach().float().requires_grad_()
    ours, exact = global_average(half), global_average(wide)
    assert torch.equal(ours, exact)
    gradient, slow = (
        torch.autograd.grad((m * weight).sum(), t)[0] for m, t in ((ours, half), (exact, wide))
    )
    assert torch.equal(gradient, slow.bfloat16())
