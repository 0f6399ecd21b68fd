"""Each update rule takes the step that its source prints."""

from __future__ import annotations

import pytest
import torch

from nasflow.training import optim


def test_heavy_ball_is_the_papers_step() -> None:
    x, v, g = (torch.tensor([a]) for a in (1.0, 0.5, 2.0))
    optim.heavy_ball(friction=1.0, weight_decay=0.0)([x], [v], [g], 0.1)
    assert x.item() == pytest.approx(1.0 + 0.1 * 0.5)
    assert v.item() == pytest.approx(0.5 - 0.1 * (0.5 + 2.0))


def test_nesterov_is_torchs() -> None:
    mine, v = torch.tensor([[1.0, -2.0]]), torch.zeros(1, 2)
    theirs = torch.nn.Parameter(mine.clone())
    sgd = torch.optim.SGD([theirs], lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    step = optim.nesterov(momentum=0.9, weight_decay=0.01)
    for i in range(5):
        theirs.grad = torch.full((1, 2), float(i))
        sgd.step()
        step([mine], [v], [torch.full((1, 2), float(i))], 0.1)
    torch.testing.assert_close(mine, theirs.data)


def test_orthogonal_brings_all_singular_values_near_one() -> None:
    draw = torch.Generator().manual_seed(0)
    for shape in ((8, 27), (40, 9), (16, 16)):
        values = torch.linalg.svdvals(optim.orthogonal(torch.randn(shape, generator=draw)))
        assert 0.6 < values.min() <= values.max() < 1.3


def test_orthogonal_takes_the_printed_steps() -> None:
    draw = torch.Generator().manual_seed(0)
    for shape in ((8, 27), (40, 9), (16, 16)):
        matrix = torch.randn(shape, generator=draw, dtype=torch.float64)
        X = matrix / matrix.norm()
        for _ in range(5):  # a = 3.4445, b = -4.7750, c = 2.0315
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        torch.testing.assert_close(optim.orthogonal(matrix), X, rtol=0, atol=1e-6)


def test_muons_step_is_relative_to_a_kernel_and_keeps_its_size() -> None:
    x, bias = torch.randn(6, 4, 3, 3), torch.ones(6)
    gradient = [torch.randn(6, 4, 3, 3), torch.ones(6)]
    before, v = [x.clone(), bias.clone()], [torch.zeros_like(x), torch.zeros(6)]
    optim.muon(momentum=0.5, weight_decay=0.0)([x, bias], v, gradient, 0.1)
    assert x.norm() == pytest.approx(before[0].norm().item(), rel=1e-5)
    assert (x - before[0]).norm() / x.norm() == pytest.approx(0.1, rel=0.1)
    assert ((before[0] - x) * gradient[0]).sum() > 0.0
    torch.testing.assert_close(bias, before[1] - 0.1 * (1.0 + optim.OTHERS))


def test_under_muon_the_other_tensors_have_a_momentum_of_their_own() -> None:
    draw = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=draw) for shape in ((3, 4), (5,))]
    rules = (
        optim.muon(momentum=0.3, weight_decay=0.01),
        optim.nesterov(momentum=optim.OTHERS, weight_decay=0.01),
    )
    ends = []
    for rule in rules:
        x, v = [t.clone() for t in start], [torch.zeros_like(t) for t in start]
        for step in range(4):
            rule(x, v, [torch.full_like(t, float(step)) for t in x], 0.1)
        ends.append((*x, *v))
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
