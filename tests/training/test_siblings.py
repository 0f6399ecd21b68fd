"""Siblings against the same training written as a plain loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
import torch.multiprocessing as processes
import torch.nn.functional as F
from cases import images, network
from handover import idle_ranks, train_on_idle_ranks
from pretended_gpu import Machine

from nasflow.network.network import Network, at_rest, forward
from nasflow.particles.flow import Matrix
from nasflow.training import optim
from nasflow.training.ranks import Ranks
from nasflow.training.siblings import MEASURED, Siblings

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


@pytest.mark.parametrize(("shards", "shared"), [(1, False), (2, True)])
def test_threads_that_share_a_batch_share_the_update(shards: int, shared: bool) -> None:
    """With whole batches each thread has a sibling of its own, and shares nothing."""
    given = []

    def rule(x: Any, v: Any, gradient: Any, tau: Any, each: Any = map) -> None:
        given.append(each is not map)
        STEP(x, v, gradient, tau)

    with Siblings([at_rest(network(0, 0))], rule, workers=2, shards=shards) as live:
        live.step(_batches(1), None, 0.05)
    assert given == [shared]


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


def _on_gpu(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    return images(8, seed=seed).to("cuda"), (torch.arange(8) % 5).to("cuda")


class Played(Ranks):
    """One of several ranks, played alone: what the others would give to `merge` is missing."""

    def merge(self, rows: Any, count: int, width: int) -> Matrix:
        table = np.zeros((count, width))
        for i, row in rows.items():
            table[i] = row
        return table

    def move(self, *_: Any) -> None:
        raise AssertionError("waits for ever")


def test_ranks_without_a_sibling_keep_the_others_owners() -> None:
    """A rank without a sibling has no graph; what it decides with others must not depend on it."""
    owners, captured = [], set()
    for rank in range(3):
        with Machine():
            family = [network(seed, 1).to("cuda") for seed in (1, 2)]
            with Siblings(family, STEP, ranks=Played(rank, 3, 3)) as live:
                for k in range(MEASURED + 1):
                    live.step([_on_gpu(k)], None, 0.1)
                owners.append(live._owner)
                captured.add(live.captured)
    assert owners == owners[:1] * 3 and captured == {True}


def test_two_siblings_on_three_ranks_of_gpus_are_those_of_one_process(tmp_path: Path) -> None:
    """Real processes, which gloo connects; the third one has nothing to train."""
    context = processes.get_context("spawn")
    together, alone = context.SimpleQueue(), context.SimpleQueue()
    ranks = context.Process(target=idle_ranks, args=(3, str(tmp_path / "meeting"), together))
    ranks.start()
    train_on_idle_ranks(0, 1, "", alone)
    wanted = alone.get()
    ranks.join()  # which is bounded
    assert ranks.exitcode == 0, "the ranks wait for one another, or fail"
    for _ in range(3):
        found = together.get()
        assert found.keys() == wanted.keys()
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_without_a_graph_one_thread_starts_the_kernels_of_a_gpu() -> None:
    """Several threads would share one stream, and measure the seconds of one another."""
    with Machine() as gpu:
        family = [network(seed, 1).to("cuda") for seed in range(3)]
        refused = mock.Mock(side_effect=AssertionError("a thread of a pool"))
        with (
            mock.patch("concurrent.futures.ThreadPoolExecutor.submit", refused),
            Siblings(family, STEP, workers=4, captured=False) as live,
        ):
            assert not live.captured
            losses = live.step([_on_gpu(1)], [_on_gpu(2)], 0.1)
            assert np.isfinite(losses).all() and (live.seconds > 0.0).all()
        assert not gpu.count["replay"]


def test_a_question_to_all_siblings_makes_the_host_wait_once() -> None:
    with Machine() as gpu:
        family = [network(seed, 1).to("cuda") for seed in range(3)]
        with (
            Siblings(family, STEP) as live,
            Siblings([network(s, 1) for s in range(3)], STEP) as cpu,
        ):
            with gpu.counting() as counted:
                energies, sound = live.kinetic_energies(), live.finite()
            np.testing.assert_allclose(energies, cpu.kinetic_energies(), rtol=1e-6)
            live._live[1].last.x["1.weight"].data[0, 0, 0, 0] = float("inf")
            assert sound.tolist() == [True] * 3 and live.finite().tolist() == [True, False, True]
    assert counted["wait"] == 2


def test_steps_can_be_launched_before_losses_are_read() -> None:
    """On a CPU too, where a launch does the step."""
    family, batches = [network(1, 0), network(2, 1)], _batches(3)
    with Siblings(family, STEP, average=3) as live:
        wanted = [live.step([b], [b], 0.1) for b in batches]
    with Siblings(family, STEP, average=3) as live:
        for b in batches:
            live.launch([b], [b], 0.1)
        found = [live.losses() for _ in batches]
    np.testing.assert_array_equal(found, wanted)
