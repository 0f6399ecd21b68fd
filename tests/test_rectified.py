"""The fused kernels against torch's own operations."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nasflow.kernels.batch_norm import Norm, plain, rectified
from nasflow.kernels.global_average import global_average, spread
from nasflow.kernels.maps import numbers
from nasflow.kernels.max_pool import max_pool
from nasflow.kernels.mixing import mixed, plain_mixed

SHAPES = [(6, 16, 8, 8), (6, 5, 7, 9), (3, 8, 4, 4), (1, 3, 2, 2), (5, 24, 6, 5), (2, 130, 3, 2)]


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _norm(channels: int, dtype: torch.dtype = torch.float32) -> Norm:
    tensors = [_draw(channels, seed=i).to(dtype) for i in (1, 2, 3)]
    return Norm(tensors[0], tensors[1], tensors[2], tensors[0].square() + 0.5)


def _everything(operation, z: Tensor, training: bool, pool: bool) -> list[Tensor]:  # type: ignore[no-untyped-def]
    """Output, gradients of z, scale and shift, running mean and variance."""
    norm = _norm(z.shape[1], torch.float64 if z.dtype == torch.float64 else torch.float32)
    leaves = [t.clone().requires_grad_() for t in (z, norm.scale, norm.shift)]
    norm = norm._replace(scale=leaves[1], shift=leaves[2])
    y = operation(leaves[0].clone(), norm, training=training, pool=pool)
    weight = _draw(*y.shape, seed=9).to(z.dtype)
    return [y.detach(), *torch.autograd.grad((y * weight).sum(), leaves), *norm[2:]]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_bfloat16_is_computed_in_float32_and_rounded_at_the_end(
    shape: tuple[int, ...], pool: bool, training: bool
) -> None:
    z = (2.0 * _draw(*shape) + 3.0).bfloat16()
    half = _everything(rectified, z, training, pool)
    single = _everything(rectified, z.float(), training, pool)
    assert [t.dtype for t in half] == 2 * [torch.bfloat16] + 4 * [torch.float32]
    assert torch.equal(half[0], single[0].bfloat16())
    assert all(torch.equal(a, b) for a, b in zip(half[4:], single[4:], strict=True))
    for ours, exact in zip(half[1:4], single[1:4], strict=True):
        assert (ours.float() - exact).norm() <= 2**-8 * exact.norm()


def test_rounding_to_bfloat16_is_that_of_torch() -> None:
    """All 2^16 numbers, those halfway to the next and those beside the middle; NaN stays NaN."""
    bits = np.arange(2**16, dtype=np.uint32) << 16
    number = np.concatenate([bits + low for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)])
    exact = torch.from_numpy(number.astype(np.uint32).view(np.float32))
    ours = torch.empty(len(exact), dtype=torch.bfloat16)
    with np.errstate(all="ignore"):
        spread(exact.numpy()[:, None], numbers(ours).reshape(-1, 1, 1, 1))
    nan = exact.isnan()
    assert torch.equal(ours[~nan], exact.bfloat16()[~nan])
    quiet = (number & 0x0040_0000 != 0) & (number & 0x7FFF_FFFF < 0x7FFF_8000)  # as made by CPUs
    assert ours[nan & torch.from_numpy(quiet)].isnan().all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_kernels_give_what_torch_gives(
    shape: tuple[int, ...], pool: bool, training: bool, layout: torch.memory_format
) -> None:
    z = (2.0 * _draw(*shape) + 3.0).contiguous(memory_format=layout)
    exact = _everything(plain, z.double(), training, pool)
    for fused, slow in zip(_everything(rectified, z, training, pool), exact, strict=True):
        assert fused.dtype == torch.float32
        np.testing.assert_allclose(fused, slow, rtol=1e-4, atol=2e-6 * float(slow.abs().max()))


def test_a_large_mean_does_not_drown_a_small_variance() -> None:
    z = 1000.0 + 0.1 * _draw(64, 4, 8, 8)
    y = rectified(z, Norm(*_ones(4)), training=True, pool=False)
    spread = (z - z.mean((0, 2, 3), keepdim=True)) / z.std((0, 2, 3), keepdim=True)
    torch.testing.assert_close(y, spread.relu(), rtol=0, atol=5e-3)


def _ones(channels: int) -> tuple[Tensor, ...]:
    one, zero = torch.ones(channels), torch.zeros(channels)
    return one, zero.clone(), zero.clone(), one.clone()


@pytest.mark.parametrize("pool", [False, True])
def test_what_is_not_finite_stays_so(pool: bool) -> None:
    for poison in (float("nan"), float("inf")):
        z = _draw(4, 3, 4, 4)
        z[1, 2, 0, 0] = poison
        y = rectified(z, Norm(*_ones(3)), training=True, pool=pool)
        assert y[:, 2].isnan().all()
        assert y[:, :2].isfinite().all()


def test_a_maximum_that_stands_twice_sends_its_gradient_to_one_pixel() -> None:
    z = torch.ones(1, 2, 2, 2).requires_grad_()
    y = rectified(z, Norm(*_ones(2)), training=False, pool=True)
    gradient = torch.autograd.grad(y.sum(), z)[0]
    assert (gradient[0, :, 0, 0] > 0.9).all()
    assert gradient.sum() == pytest.approx(float(gradient[0, :, 0, 0].sum()))


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("shape", SHAPES)
def test_means_are_those_of_torch(shape: tuple[int, ...], layout: torch.memory_format) -> None:
    y = _draw(*shape).contiguous(memory_format=layout).requires_grad_()
    weight = _draw(*shape[:2], seed=9)
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_mixes_are_those_of_torch(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    maps = [_draw(*shape, seed=i).to(dtype) for i in (4, 5)]
    weight = _draw(*shape, seed=9).to(dtype)

    def run(operation: Any, *given: Tensor) -> list[Tensor]:
        leaves = [t.clone().requires_grad_() for t in given]
        y = operation(*leaves)
        return [y.detach(), *torch.autograd.grad(y, leaves, weight.to(y.dtype))]

    mix = 0.5 + _draw(shape[1], seed=6)
    ours = run(mixed, *maps, mix)
    exact = run(plain_mixed, *(t.double() for t in (*maps, mix)))
    assert [t.dtype for t in ours] == 3 * [dtype] + [torch.float32]
    for a, b in zip(ours[:3], exact[:3], strict=True):
        allowed = 2e-7 if dtype == torch.float32 else 2**-8
        torch.testing.assert_close(a.double(), b, rtol=allowed, atol=2e-7)
    torch.testing.assert_close(ours[3].double(), exact[3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_maxima_are_those_of_torch(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Ties too: the numbers are few."""
    for x in (_draw(*shape).to(dtype), torch.round(_draw(*shape)).to(dtype)):
        pair = [x.clone().requires_grad_() for _ in range(2)]
        ours, exact = max_pool(pair[0]), torch.nn.functional.max_pool2d(pair[1], 2)
        weight = _draw(*exact.shape, seed=9).to(dtype)
        assert torch.equal(ours, exact)
        gradients = [
            torch.autograd.grad(y, t, weight)[0] for y, t in zip((ours, exact), pair, strict=True)
        ]
        assert torch.equal(*gradients)
    x[0, 0, 0, 0] = float("nan")
    assert max_pool(x)[0, 0, 0, 0].isnan()


def test_where_memory_begins_changes_no_bit() -> None:
    def run(offset: int) -> list[Tensor]:
        store = torch.empty(offset + 6 * 7 * 9 * 5)
        z = store[offset:].view(6, 7, 9, 5).permute(0, 3, 1, 2)
        z.copy_(_draw(6, 5, 7, 9))
        return _everything(rectified, z, True, True)

    for first, second in zip(run(0), run(1), strict=True):
        assert torch.equal(first, second)


def test_training_compiles_no_kernel_that_prepare_has_not(tmp_path: Path) -> None:
    """In a process of its own: other tests here call kernels with maps of other layouts."""
    script = """
import sys
from pathlib import Path
import rounds
from nasflow import global_average, kernels, max_pool, mixing, network
network.compile_kernels()
rounds.run(rounds.prepare(Path(sys.argv[1])), "round", 1, max_steps=6)
own = [kernels.forward, kernels.backward, global_average.means, global_average.spread]
own += [max_pool.highest, max_pool.give_back, mixing.blend, mixing.separate]
for kernel in own:
    assert len(kernel.signatures) == 2  # float32 and bfloat16
"""
    here = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": here}, check=True, capture_output=True)
