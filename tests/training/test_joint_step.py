"""The step of all siblings together is the step of each alone."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import torch
from cases import images, network
from pretended_gpu import Machine

from nasflow.network.network import Network
from nasflow.training import optim
from nasflow.training.joint_step import JointStep
from nasflow.training.siblings import Siblings

HEAVY = optim.heavy_ball(friction=1.0, weight_decay=1e-3)
MUON = optim.muon(momentum=0.6, weight_decay=1e-3)


def _batch(seed: int, device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    return images(12, seed=seed).to(device), (torch.arange(12) % 5).to(device)


def _gains(family: list[Network]) -> list[dict[str, float]]:
    return [dict.fromkeys(n.x, 0.5 + 0.1 * i) for i, n in enumerate(family)]


@pytest.mark.parametrize("shards", [1, 2, 3])
@pytest.mark.parametrize("update", [HEAVY, MUON])
def test_on_the_cpu_it_is_the_step_of_each_sibling_bit_for_bit(
    update: optim.Update, shards: int
) -> None:
    """Batches of their own, gains, averages, and siblings in another order than in the round."""
    family = [network(seed, 1) for seed in range(3)]
    options: dict[str, Any] = {"average": 4, "shards": shards, "gains": _gains(family)}
    with Siblings(family, update, **options) as one, Siblings(family, update, **options) as two:
        joint = JointStep({i: two._live[i] for i in (2, 0, 1)}, shards)
        for k in range(3):
            train, validation = ([_batch(k + 9 * i + j) for i in range(3)] for j in (0, 50))
            wanted = np.stack(one.step(train, validation, 0.1), 1)
            found = joint(train, validation, 0.1, 1.0 / min(4, k + 2), map)
            assert np.array_equal(found.numpy(), wanted[[2, 0, 1]])
        for i in range(3):
            states = (live.state(i) for live in (one, two))
            for a, b in zip(*(state.values() for state in states), strict=True):
                assert torch.equal(a, b)


def test_without_validation_its_losses_are_nan() -> None:
    with Siblings([network(1, 1)], HEAVY) as live:
        found = JointStep(live._live, 1)([_batch(1)], None, 0.1, 1.0, map)
    assert torch.isfinite(found).tolist() == [[True, False]]


@pytest.mark.parametrize(("shards", "count"), [(2, 1), (3, 2)])
def test_shards_in_a_graph_are_those_of_an_eager_step(shards: int, count: int) -> None:
    """Each part has statistics of its own, and a stream of its own."""
    with Machine() as gpu:
        family = [network(seed, 1).to("cuda") for seed in range(count)]
        options: dict[str, Any] = {"shards": shards, "average": 3}
        graph, eager = (Siblings(family, MUON, captured=c, **options) for c in (True, False))
        with graph, eager:
            for k in range(3):
                given = [_batch(k, "cuda")], [_batch(50 + k, "cuda")], 0.1 / (k + 1)
                np.testing.assert_allclose(graph.step(*given), eager.step(*given), rtol=1e-5)
            for a, b in zip(graph.averaged(0)[1:], eager.averaged(0)[1:], strict=True):
                for name, t in a.items():
                    torch.testing.assert_close(t.cpu(), b[name].cpu(), rtol=1e-4, atol=1e-6)
        assert gpu.count["replay"] == 3


def test_an_eager_step_of_shards_waits_only_for_its_loss() -> None:
    options: dict[str, Any] = {"shards": 2, "captured": False}
    with Machine() as gpu, Siblings([network(1, 1).to("cuda")], HEAVY, **options) as live:
        batch = _batch(1, "cuda")
        with gpu.counting() as counted:
            live.step([batch], None, 0.1)
    assert counted["wait"] == 1 and not counted["h2d"]


def _kernels(count: int) -> collections.Counter[str]:
    """Count the operations of a captured step of so many siblings with equal architectures."""
    start = network(2, 1)
    with Machine():
        family = [start.to("cuda") for _ in range(count)]
        with Siblings(family, MUON, average=4, gains=_gains(family)) as live:
            live.step([_batch(1, "cuda")], [_batch(2, "cuda")], 0.1)
            graph = live._captured._graph
            return collections.Counter(graph.kernels)


def test_the_update_of_three_siblings_takes_as_many_operations_as_that_of_one() -> None:
    one, three = _kernels(1), _kernels(3)
    update = {name for name in one if name.startswith("_foreach")}
    update |= {"bmm", "baddbmm", "linalg_vector_norm", "addcmul", "stack", "cat"}
    assert len(update) > 10 and update <= one.keys()
    assert {name: three[name] for name in update} == {name: one[name] for name in update}
