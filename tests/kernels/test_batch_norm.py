"""The fused batch normalisation against the operations of torch."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from maps import SHAPES, draw
from torch import Tensor

from nasflow.kernels.batch_norm import Norm, activated, plain


def _norm(channels: int, dtype: torch.dtype = torch.float32) -> Norm:
    tensors = [draw(channels, seed=i).to(dtype) for i in (1, 2, 3)]
    return Norm(tensors[0], tensors[1], tensors[2], tensors[0].square() + 0.5)


def _everything(operation, z: Tensor, training: bool, pool: bool) -> list[Tensor]:  # type: ignore[no-untyped-def]
    """Output, gradients of z, scale and shift, running mean and variance."""
    norm = _norm(z.shape[1], torch.float64 if z.dtype == torch.float64 else torch.float32)
    leaves = [t.clone().requires_grad_() for t in (z, norm.scale, norm.shift)]
    norm = norm._replace(scale=leaves[1], shift=leaves[2])
    y = operation(leaves[0].clone(), norm, training=training, pool=pool)
    weight = draw(*y.shape, seed=9).to(z.dtype)
    return [y.detach(), *torch.autograd.grad((y * weight).sum(), leaves), *norm[2:]]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_bfloat16_is_computed_in_float32_and_rounded_at_the_end(
    shape: tuple[int, ...], pool: bool, training: bool
) -> None:
    z = (2.0 * draw(*shape) + 3.0).bfloat16()
    half = _everything(activated, z, training, pool)
    single = _everything(activated, z.float(), training, pool)
    assert [t.dtype for t in half] == 2 * [torch.bfloat16] + 4 * [torch.float32]
    assert torch.equal(half[0], single[0].bfloat16())
    assert all(torch.equal(a, b) for a, b in zip(half[4:], single[4:], strict=True))
    for ours, exact in zip(half[1:4], single[1:4], strict=True):
        assert (ours.float() - exact).norm() <= 2**-8 * exact.norm()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_kernels_give_what_torch_gives(
    shape: tuple[int, ...], pool: bool, training: bool, layout: torch.memory_format
) -> None:
    z = (2.0 * draw(*shape) + 3.0).contiguous(memory_format=layout)
    exact = _everything(plain, z.double(), training, pool)
    for fused, slow in zip(_everything(activated, z, training, pool), exact, strict=True):
        assert fused.dtype == torch.float32
        np.testing.assert_allclose(fused, slow, rtol=1e-4, atol=2e-6 * float(slow.abs().max()))


def test_a_large_mean_does_not_drown_a_small_variance() -> None:
    z = 1000.0 + 0.1 * draw(64, 4, 8, 8)
    y = activated(z, Norm(*_ones(4)), training=True, pool=False)
    spread = (z - z.mean((0, 2, 3), keepdim=True)) / z.std((0, 2, 3), keepdim=True)
    torch.testing.assert_close(y, spread.relu(), rtol=0, atol=5e-3)


def _ones(channels: int) -> tuple[Tensor, ...]:
    one, zero = torch.ones(channels), torch.zeros(channels)
    return one, zero.clone(), zero.clone(), one.clone()


@pytest.mark.parametrize("pool", [False, True])
def test_what_is_not_finite_stays_so(pool: bool) -> None:
    for poison in (float("nan"), float("inf")):
        z = draw(4, 3, 4, 4)
        z[1, 2, 0, 0] = poison
        y = activated(z, Norm(*_ones(3)), training=True, pool=pool)
        assert y[:, 2].isnan().all()
        assert y[:, :2].isfinite().all()


def test_a_maximum_that_stands_twice_sends_its_gradient_to_one_pixel() -> None:
    z = torch.ones(1, 2, 2, 2).requires_grad_()
    y = activated(z, Norm(*_ones(2)), training=False, pool=True)
    gradient = torch.autograd.grad(y.sum(), z)[0]
    assert (gradient[0, :, 0, 0] > 0.9).all()
    assert gradient.sum() == pytest.approx(float(gradient[0, :, 0, 0].sum()))


def test_where_memory_begins_changes_no_bit() -> None:
    def run(offset: int) -> list[Tensor]:
        store = torch.empty(offset + 6 * 7 * 9 * 5)
        z = store[offset:].view(6, 7, 9, 5).permute(0, 3, 1, 2)
        z.copy_(draw(6, 5, 7, 9))
        return _everything(activated, z, True, True)

    for first, second in zip(run(0), run(1), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_the_operations_of_a_gpu_keep_bfloat16_maps_and_give_what_the_kernels_give(
    training: bool, pool: bool, smooth: bool
) -> None:
    """The statistics, scale, shift and their gradients stay float32, and variances unbiased."""
    z = (2.0 * draw(6, 8, 10, 10) + 3.0).bfloat16().contiguous(memory_format=torch.channels_last)
    kernels = _everything(partial(activated, smooth=smooth), z, training, pool)
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t), t)[1], lambda t: t):
        ours = _everything(partial(plain, smooth=smooth), z, training, pool)
    assert [t.dtype for t in ours] == [t.dtype for t in kernels]
    assert not [t for t in kept if t.ndim == 4 and t.dtype == torch.float32]
    for a, b in zip(ours, kernels, strict=True):
        assert (a.float() - b.float()).norm() <= 2**-6 * b.float().norm()
    for a, b in zip(ours[4:], kernels[4:], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    if training:  # (1 - 0.3) of the former variance and 0.3 of the unbiased one of the batch
        found = z.double().var((0, 2, 3), correction=1)
        before = _norm(8).variance.double()
        torch.testing.assert_close(ours[5].double(), 0.7 * before + 0.3 * found, rtol=1e-5, atol=0)
