"""The fused BatchNorm and GELU against the operations of torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from maps import SHAPES, draw
from torch import Tensor

from nasflow.kernels.batch_norm import EPSILON, MOMENTUM, Norm, activated
from nasflow.kernels.smooth_kernels import gelu, hyperbolic, slope

NAMES = ("output", "dz", "dscale", "dshift", "mean", "variance")


def _torch(z: Tensor, norm: Norm, *, training: bool) -> Tensor:
    u = F.batch_norm(
        z, norm.mean, norm.variance, norm.scale, norm.shift, training, MOMENTUM, EPSILON
    )
    return F.gelu(u, approximate="tanh")


def _fused(z: Tensor, norm: Norm, *, training: bool) -> Tensor:
    return activated(z, norm, training=training, pool=False, smooth=True)


def _everything(operation, z: Tensor, training: bool) -> dict[str, Tensor]:  # type: ignore[no-untyped-def]
    """Output, gradients of z, scale and shift, running mean and variance."""
    dtype = torch.float64 if z.dtype == torch.float64 else torch.float32
    first, *others = (draw(z.shape[1], seed=i).to(dtype) for i in (1, 2, 3))
    leaves = [t.clone().requires_grad_() for t in (z, first, others[0])]
    norm = Norm(leaves[1], leaves[2], others[1], first.square() + 0.5)
    y = operation(leaves[0].clone(), norm, training=training)
    weight = draw(*y.shape, seed=9).to(z.dtype)
    gradients = torch.autograd.grad((y * weight).sum(), leaves)
    return dict(zip(NAMES, [y.detach(), *gradients, *norm[2:]], strict=True))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_kernels_give_what_torch_gives(
    shape: tuple[int, ...], training: bool, layout: torch.memory_format
) -> None:
    """The fraction for tanh costs gradients up to 8e-5 of a pixel's slope, near |u| = 4.3."""
    z = (2.0 * draw(*shape) + 3.0).contiguous(memory_format=layout)
    exact = _everything(_torch, z.double(), training)
    for name, found in _everything(_fused, z, training).items():
        assert found.dtype == torch.float32
        most = float(exact[name].abs().max())
        close = 1e-4 if name.startswith("d") else 1e-5
        np.testing.assert_allclose(found, exact[name], rtol=1e-5, atol=close * most, err_msg=name)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [False, True])
def test_bfloat16_is_computed_in_float32_and_rounded_at_the_end(
    shape: tuple[int, ...], training: bool
) -> None:
    z = (2.0 * draw(*shape) + 3.0).bfloat16()
    half, single = (_everything(_fused, t, training) for t in (z, z.float()))
    assert [t.dtype for t in half.values()] == 2 * [torch.bfloat16] + 4 * [torch.float32]
    assert torch.equal(half["output"], single["output"].bfloat16())
    assert all(torch.equal(half[name], single[name]) for name in ("mean", "variance"))
    for name in ("dz", "dscale", "dshift"):
        assert (half[name].float() - single[name]).norm() <= 2**-8 * single[name].norm()


def test_the_fraction_is_the_hyperbolic_tangent() -> None:
    v = np.linspace(-30.0, 30.0, 20_001, dtype=np.float32)
    found = np.array([hyperbolic(value) for value in v], dtype=np.float64)
    assert np.abs(found - np.tanh(v.astype(np.float64))).max() < 8e-6
    assert np.abs(found).max() <= 1.0 + 1e-6
    np.testing.assert_array_equal(found, -found[::-1])


def test_gelu_and_its_slope_are_those_of_torch() -> None:
    u = np.linspace(-12.0, 12.0, 4001, dtype=np.float32)
    exact = torch.tensor(u, dtype=torch.float64).requires_grad_()
    y = F.gelu(exact, approximate="tanh")
    (expected,) = torch.autograd.grad(y.sum(), exact)
    found = np.array([(gelu(value), slope(value)) for value in u])
    np.testing.assert_allclose(found[:, 0], y.detach(), rtol=1e-5, atol=5e-5)
    np.testing.assert_allclose(found[:, 1], expected, rtol=0, atol=1e-4)


def test_the_slope_of_an_outlier_is_0_or_1() -> None:
    """A single bright pixel of a batch can be hundreds of deviations above the mean."""
    for size in (5.0, 20.0, 100.0, 1000.0, 1e6):
        u = np.float32(size)
        assert slope(u) == pytest.approx(1.0, abs=1e-5)
        assert slope(-u) == pytest.approx(0.0, abs=1e-5)
        assert gelu(u) == pytest.approx(size, rel=1e-5)
        assert gelu(-u) == pytest.approx(0.0, abs=1e-6 * size)


def test_what_is_not_finite_stays_so() -> None:
    one, zero = torch.ones(3), torch.zeros(3)
    for poison in (float("nan"), float("inf")):
        z = draw(4, 3, 4, 4)
        z[1, 2, 0, 0] = poison
        y = _fused(z, Norm(one, zero, zero.clone(), one.clone()), training=True)
        assert y[:, 2].isnan().all()
        assert y[:, :2].isfinite().all()
    broken = torch.tensor([1.0, float("nan"), 1.0])
    y = _fused(draw(4, 3, 4, 4), Norm(broken, zero, zero.clone(), one.clone()), training=False)
    assert y[:, 1].isnan().all() and y[:, ::2].isfinite().all()


def test_where_memory_begins_changes_no_bit() -> None:
    def run(offset: int) -> dict[str, Tensor]:
        store = torch.empty(offset + 6 * 7 * 9 * 5)
        z = store[offset:].view(6, 7, 9, 5).permute(0, 3, 1, 2)
        z.copy_(draw(6, 5, 7, 9))
        return _everything(_fused, z, True)

    for first, second in zip(run(0).values(), run(1).values(), strict=True):
        assert torch.equal(first, second)
