"""Siblings against the same training written as a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cases import images, network

from nasflow.network.network import Network, at_rest, forward
from nasflow.training import optim
from nasflow.training.siblings import Siblings

STEP = optim.heavy_ball(friction=1.0, weight_decay=0.0)


def _batches(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(images(16, seed=i), torch.arange(16) % 5) for i in range(count)]


def _plain_loop(
    family: list[Network], batches: list[tuple[torch.Tensor, torch.Tensor]], tau: float
) -> list[list[float]]:
    """Train one network after the other, in NCHW, with torch's own operations: the reference."""
    live = [
        (n.architecture, *({k: t.clone() for k, t in part.items()} for part in n[1:]))
        for n in family
    ]
    losses = []
    for X in batches:
        losses.append([])
        for g, x, buffers, v in live:
            for t in x.values():
                t.requires_grad_()
            loss = F.cross_entropy(forward(g, x, buffers, X[0], training=True, fused=False), X[1])
            gradient = torch.autograd.grad(loss, list(x.values()))
            with torch.no_grad():
                for p, q, d in zip(x.values(), v.values(), gradient, strict=True):
                    p += tau * q
                    q -= tau * (q + d)
                out = forward(g, x, buffers, X[0], training=False, fused=False)
            losses[-1].append(F.cross_entropy(out, X[1]).item())
    return losses


def test_siblings_go_where_a_plain_loop_goes() -> None:
    """Twelve steps; rounding errors grow from 1e-7 by the curvature of the loss."""
    family = [at_rest(network(seed, morphed)) for seed, morphed in ((0, 0), (1, 1), (2, 3), (3, 2))]
    slow = np.array(_plain_loop(family, _batches(12), 0.05))
    with Siblings(family, STEP, workers=2) as live:
        fast = np.array([live.step([b], [b], 0.05)[1] for b in _batches(12)])
    np.testing.assert_allclose(fast[0], slow[0], rtol=1e-5)
    np.testing.assert_allclose(fast, slow, rtol=1e-3)


@pytest.mark.parametrize("average", [1, 4, 100])
def test_siblings_are_evaluated_at_the_running_average_of_their_weights(average: int) -> None:
    start = network(4, 2)
    g = start.architecture
    Y = (images(32, seed=99), torch.arange(32) % 5)
    x = {k: t.clone().requires_grad_() for k, t in start.x.items()}
    buffers, v = ({k: t.clone() for k, t in part.items()} for part in (start.buffers, start.v))
    means = [{k: t.detach().clone() for k, t in part.items()} for part in (x, buffers)]
    with Siblings([start], STEP, average=average) as live:
        for k, batch in enumerate(_batches(8), 1):
            loss = F.cross_entropy(forward(g, x, buffers, batch[0], training=True), batch[1])
            gradient = torch.autograd.grad(loss, list(x.values()))
            with torch.no_grad():
                STEP(list(x.values()), list(v.values()), list(gradient), 0.1)
                for mean, last in zip(means, (x, buffers), strict=True):
                    for name in mean:
                        mean[name] += (last[name] - mean[name]) / min(average, k + 1)
                judged = means if average > 1 else [x, buffers]
                logits = forward(g, *judged, Y[0], training=False)
            found = live.step([batch], [Y], 0.1)[1][0]
            assert found == pytest.approx(F.cross_entropy(logits, Y[1]).item(), rel=1e-5)
        after = live.network(0)
    for name, t in x.items():  # what goes on are the last weights, not the averages
        torch.testing.assert_close(after.x[name], t.detach())


def test_averaged_weights_see_through_the_noise_of_large_steps() -> None:
    """Around a minimum the mean of noisy iterates is nearer to it than the iterates are."""
    start = network(6, 0)
    Y = (images(64, seed=5), torch.arange(64) % 5)
    ends = {}
    for average in (1, 30):
        with Siblings([at_rest(start)], STEP, average=average) as live:
            losses = [live.step([b], [Y], 0.4)[1][0] for b in _batches(60)]
        ends[average] = np.mean(losses[-20:])
    assert ends[30] < ends[1]


def test_kinetic_energies_are_half_the_squared_velocities() -> None:
    family = [network(1, 0), network(2, 1)]
    with Siblings(family, STEP) as live:
        expected = [0.5 * sum(t.square().sum().item() for t in n.v.values()) for n in family]
        np.testing.assert_allclose(live.kinetic_energies(), expected, rtol=1e-5)


def test_under_muon_the_weight_of_a_flat_head_is_no_kernel() -> None:
    """Its norm may change, and its step is that of the other tensors."""
    start = at_rest(network(1, 0))
    name = f"{start.architecture.head.id}.weight"
    assert start.architecture.head.op == "flat_head" and start.x[name].ndim == 4
    rules = (
        optim.muon(momentum=0.6, weight_decay=0.1),
        optim.nesterov(momentum=optim.OTHERS, weight_decay=0.1),
    )
    ends = []
    for rule in rules:
        with Siblings([start], rule) as live:
            live.step([_batches(1)[0]], None, 0.1)
            ends.append(live.network(0).x)
    assert torch.equal(ends[0][name], ends[1][name])
    assert ends[0][name].norm() != pytest.approx(start.x[name].norm().item(), rel=1e-3)
    for conv in start.architecture.convs:
        kernel = f"{conv.id}.weight"
        assert ends[0][kernel].norm() == pytest.approx(start.x[kernel].norm().item(), rel=1e-5)
        assert not torch.equal(ends[0][kernel], start.x[kernel])


def test_only_some_siblings_make_a_step() -> None:
    family = [at_rest(network(seed, 1)) for seed in range(3)]
    only = np.array([True, False, True])
    with Siblings(family, STEP, average=4) as live:
        for batch in _batches(2):  # the first step of a heavy ball at rest moves no weight
            found = np.array(live.step([batch], [batch], 0.1, only))
            assert np.isfinite(found).tolist() == [only.tolist()] * 2
        assert (live.seconds > 0).tolist() == only.tolist()
        for copy in (live.network, live.averaged):
            moved = [
                any(not torch.equal(t, start.x[name]) for name, t in copy(i).x.items())
                for i, start in enumerate(family)
            ]
            assert moved == only.tolist()
        batch = _batches(1)[0]
        assert np.isfinite(live.step([batch], [batch], 0.1)).all()
