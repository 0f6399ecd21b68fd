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
