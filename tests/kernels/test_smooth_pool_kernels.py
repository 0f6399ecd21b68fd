"""The fused BatchNorm, GELU and pool against the operations of torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from maps import SHAPES, draw
from torch import Tensor

from nasflow.kernels.batch_norm import EPSILON, MOMENTUM, Norm, activated

NAMES = ("output", "dz", "dscale", "dshift", "mean", "variance")


def _torch(z: Tensor, norm: Norm, *, training: bool) -> Tensor:
    u = F.batch_norm(
        z, norm.mean, norm.variance, norm.scale, norm.shift, training, MOMENTUM, EPSILON
    )
    return F.max_pool2d(F.gelu(u, approximate="tanh"), 2)


def _fused(z: Tensor, norm: Norm, *, training: bool) -> Tensor:
    return activated(z, norm, training=training, pool=True, smooth=True)


def _everything(operation, z: Tensor, training: bool) -> dict[str, Tensor]:  # type: ignore[no-untyped-def]
    """Output, gradients of z, scale and shift, running mean and variance.

    The scales have both signs, and the shifts are such that all of some windows lies below the
    minimum of GELU, where the smallest number gives the maximum.
    """
    dtype = torch.float64 if z.dtype == torch.float64 else torch.float32
    first, second, third = (draw(z.shape[1], seed=i).to(dtype) for i in (1, 2, 3))
    leaves = [t.clone().requires_grad_() for t in (z, first, second - 1.0)]
    norm = Norm(leaves[1], leaves[2], third, first.square() + 0.5)
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
        assert (half[name].float() - single[name]).norm() <= 2**-7 * single[name].norm()


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((1.0, -1.0, 2.0, 0.5), (0, 0, 1, 0)),  # the largest
        ((-0.8, -4.0, -1.0, -0.9), (0, 1, 0, 0)),  # all below the minimum of GELU: the smallest
        ((-0.3, -0.2, -9.0, -0.5), (0, 0, 1, 0)),  # on both sides of it
        ((0.7, 0.7, -3.0, 0.7), (1, 0, 0, 0)),  # of equal ones the first
        ((-3.0, -3.0, -3.0, -3.0), (1, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_gradient_of_a_window_goes_to_one_pixel(
    window: tuple[float, ...], expected: tuple[int, ...], sign: float
) -> None:
    z = (sign * torch.tensor(window)).view(1, 1, 2, 2).requires_grad_()
    zero, one = torch.zeros(1), torch.ones(1)
    y = activated(
        z * 1.0, Norm(sign * one, zero, zero, one), training=False, pool=True, smooth=True
    )
    u = torch.tensor(window)
    assert float(y.detach()) == pytest.approx(float(F.gelu(u, approximate="tanh").max()), abs=1e-4)
    (gradient,) = torch.autograd.grad(y.sum(), z)
    assert (gradient.flatten() != 0.0).int().tolist() == list(expected)


def test_what_is_not_finite_stays_so() -> None:
    one, zero = torch.ones(3), torch.zeros(3)
    for poison in (float("nan"), float("inf")):
        z = draw(4, 3, 4, 4)
        z[1, 2, 0, 0] = poison
        y = _fused(z, Norm(one, zero, zero.clone(), one.clone()), training=True)
        assert y[:, 2].isnan().all()
        assert y[:, :2].isfinite().all()


def test_where_memory_begins_changes_no_bit() -> None:
    def run(offset: int) -> dict[str, Tensor]:
        store = torch.empty(offset + 6 * 7 * 9 * 5)
        z = store[offset:].view(6, 7, 9, 5).permute(0, 3, 1, 2)
        z.copy_(draw(6, 5, 7, 9))
        return _everything(_fused, z, True)

    for first, second in zip(run(0).values(), run(1).values(), strict=True):
        assert torch.equal(first, second)
