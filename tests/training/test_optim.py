"""Each update rule takes the step that its source prints."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial

import pytest
import torch
from torch import Tensor

from nasflow.training import optim
from nasflow.training.workers import Workers


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


def test_threads_that_share_the_kernels_take_the_same_steps() -> None:
    draw = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=draw) for shape in (*KERNELS, (6,))]
    rule, pool, ends, met = optim.muon(momentum=0.6, weight_decay=0.01), Workers(3), [], set()

    def shared(task: Callable[[int], None], items: Iterable[int]) -> Iterable[None]:
        def one(item: int) -> None:
            met.add(threading.get_ident())
            task(item)

        return pool.map(one, items)

    for each in (map, shared):
        x, v = [t.clone().requires_grad_() for t in start], [torch.zeros_like(t) for t in start]
        with torch.no_grad():
            for step in range(3):
                rule(x, v, [torch.cos(t + step) for t in x], 0.1, each)
        ends.append((*x, *v))
    pool.close()
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
    assert met and threading.get_ident() not in met


KERNELS = ((6, 4, 3, 3), (6, 4, 3, 3), (40, 1, 3, 3), (6, 36, 1, 1), (8, 8, 2, 2), (6, 9, 2, 2))


def _alone(x: list[Tensor], v: list[Tensor], gradient: list[Tensor], tau: optim.Tau) -> None:
    """Each kernel takes its own step, as on a CPU; a bias is there, since every network has one."""
    one = [torch.ones(1)]
    optim.muon(momentum=0.6, weight_decay=0.0)(x + one, v + one, gradient + one, tau)


@pytest.mark.parametrize("channels_last", [False, True])
def test_kernels_take_the_same_step_of_muon_together_and_alone(channels_last: bool) -> None:
    """Wide and high matrices, equal and different shapes, in the memory of several siblings."""
    draw = torch.Generator().manual_seed(0)
    form = torch.channels_last if channels_last else torch.contiguous_format
    starts = [
        [torch.randn(shape, generator=draw).contiguous(memory_format=form) for shape in KERNELS]
        for _ in range(3)
    ]
    ends = []
    for step in (partial(optim.together, momentum=0.6), _alone):
        x, v, gradient = ([t.clone() for t in part] for part in starts)
        for tau in (0.1, torch.tensor(0.05)):
            step(x=x, v=v, gradient=gradient, tau=tau)
        ends.append((*x, *v))
    for one, two in zip(*ends, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "rule",
    [
        optim.heavy_ball(friction=1.0, weight_decay=0.1),
        optim.nesterov(momentum=0.9, weight_decay=0.1),
        optim.muon(momentum=0.6, weight_decay=0.1),
    ],
)
def test_a_rule_treats_each_tensor_alone(rule: optim.Update) -> None:
    """The tensors of several siblings may stand in one list."""
    draw = torch.Generator().manual_seed(0)
    shapes = ((4, 2, 3, 3), (4,), (5, 4), (5,))
    x, v, gradient = ([torch.randn(s, generator=draw) for s in shapes] for _ in range(3))
    one, two = ([[t.clone() for t in part] for part in (x, v, gradient)] for _ in range(2))
    rule(*one, 0.1)
    for part in (slice(0, 2), slice(2, 4)):
        rule(*(tensors[part] for tensors in two), 0.1)
    assert all(torch.equal(a, b) for a, b in zip(one[0] + one[1], two[0] + two[1], strict=True))
