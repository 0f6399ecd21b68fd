"""The step as a CUDA graph: on a pretended GPU, and on a real one where there is one.

That a captured step is the eager one, in every manner of training, is tested in
system/test_gpu_steps.py.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from cases import images, network
from pretended_gpu import Graph, Machine

from nasflow.network.network import Network
from nasflow.training import memory, optim
from nasflow.training.cuda_graph import WARM_UP
from nasflow.training.siblings import Siblings

STEP = optim.heavy_ball(friction=1.0, weight_decay=1e-3)


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def _batch(seed: int, device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    return images(16, seed=seed).to(device), (torch.arange(16) % 5).to(device)


def _given(k: int) -> tuple[Any, Any, float]:
    """The batches of a step on the GPU, and its step size."""
    return [_batch(k, "cuda")], [_batch(50 + k, "cuda")], 0.1 / (k + 1)


def _family(count: int = 2) -> list[Network]:
    return [network(seed, 1).to("cuda") for seed in range(1, count + 1)]


def test_a_launch_does_not_wait_and_its_losses_are_one_wait() -> None:
    with Machine() as gpu, Siblings(_family(), STEP, average=4) as live:
        live.step(*_given(0))
        given = _given(1)
        with gpu.counting() as launched:
            live.launch(*given)
        with gpu.counting() as read:
            live.losses()
    assert launched.keys() == {"launch", "replay"} and launched["launch"] < 10
    assert read["wait"] == 1, "two siblings, two losses each"


def test_losses_that_are_read_a_step_late_are_those_of_their_step() -> None:
    with Machine():
        with Siblings(_family(), STEP, average=4) as live:
            wanted = [live.step(*_given(k)) for k in range(5)]
        with Siblings(_family(), STEP, average=4) as live:
            found = []
            for k in range(5):
                live.launch(*_given(k))
                found += [live.losses()] if k else []
            found.append(live.losses())
    np.testing.assert_array_equal(found, wanted)


def _failing(at: int, error: Exception) -> optim.Update:
    """Make an update rule that raises an error in one of the runs of Python."""
    runs = []

    def update(x: Any, v: Any, gradient: Any, tau: Any, each: Any = map) -> None:
        STEP(x, v, gradient, tau)
        runs.append(tau)
        if len(runs) == at:
            raise error

    return update


NO_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize(
    ("error", "at"), [(NO_MEMORY, 1), (NO_MEMORY, WARM_UP + 1), (KeyError("a bug"), WARM_UP + 1)]
)
def test_the_first_error_of_a_capture_is_raised_and_leaves_the_siblings_usable(
    error: Exception, at: int
) -> None:
    """In the warm-up or in the capture itself, whose end then raises an error of its own."""
    with Machine() as gpu:
        outside = torch.cuda.current_stream()
        live, sound = Siblings(_family(), _failing(at, error)), Siblings(_family(), STEP)
        with live, sound:
            with pytest.raises(type(error)) as found:
                live.step(*_given(0))
            assert found.value is error
            assert memory.exhausted(error) == isinstance(error, torch.OutOfMemoryError)
            assert torch.cuda.current_stream() is outside and gpu.capturing is None
            for k in range(3):
                np.testing.assert_array_equal(live.step(*_given(k)), sound.step(*_given(k)))


def test_an_error_at_the_end_of_a_capture_is_hidden_by_the_one_before() -> None:
    """The program fails between the fork and the join of its streams."""
    first = ValueError("the first error")
    with Machine() as gpu, Siblings(_family(), STEP) as live:
        validate = type(live._live[0]).validate

        def failing(self: Any, batch: Any) -> torch.Tensor:
            loss = validate(self, batch)
            if gpu.capturing is not None:
                raise first
            return loss

        broken = mock.patch.object(type(live._live[0]), "validate", failing)
        with broken, pytest.raises(ValueError, match="the first error") as found:
            live.step(*_given(0))
        assert "unjoined" in str(found.value.__cause__)
        assert np.isfinite(live.step(*_given(0))).all()
        gpu.broken.clear()


def test_memory_that_runs_out_in_a_replay_is_told() -> None:
    said = RuntimeError("CUDA error: out of memory")
    with Machine(), Siblings(_family(), STEP) as live:
        live.step(*_given(0))
        broken = mock.patch.object(Graph, "replay", side_effect=said)
        with broken, pytest.raises(RuntimeError) as found:
            live.step(*_given(1))
    assert memory.exhausted(found.value)


@pytest.mark.parametrize("shards", [1, 2])
def test_a_closed_family_frees_its_graph_without_the_garbage_collector(shards: int) -> None:
    gc.collect()
    gc.disable()
    try:
        with Machine():
            with Siblings(_family(), STEP, average=3, shards=shards) as live:
                live.step(*_given(0))
            networks = [live.network(0), live.averaged(1)]  # still answered
            held = live._captured, live._captured._program, live._live[0]  # nothing else holds it
            left = [weakref.ref(thing) for thing in held]
            del live, held
            assert [thing() for thing in left] == [None] * 3 and networks
    finally:
        gc.enable()


@GPU
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_on_a_gpu_the_captured_step_is_the_eager_one(precision: str, weighted: bool) -> None:
    family = [network(seed, 2).to("cuda") for seed in range(5)]
    options: dict[str, Any] = {"average": 4, "precision": precision}
    if weighted:
        weights = torch.tensor([0.2, 4.0, 1.0, 0.5, 2.0], device="cuda")
        options |= {"class_weights": weights, "label_smoothing": 0.1}
    eager = Siblings(family, STEP, captured=False, **options)
    graph = Siblings(family, STEP, **options)
    for k in range(12):
        batches = [_batch(k, "cuda")], [_batch(50 + k, "cuda")], 0.1
        one, two = eager.step(*batches), graph.step(*batches)
        np.testing.assert_allclose(one, two, rtol=5e-2 if precision == "bfloat16" else 1e-3)


@GPU
def test_on_a_gpu_a_captured_search_repeats_itself_bit_for_bit() -> None:
    def run() -> list[torch.Tensor]:
        live = Siblings([network(seed, 2).to("cuda") for seed in range(5)], STEP, average=4)
        for k in range(12):
            live.step([_batch(k, "cuda")], [_batch(50 + k, "cuda")], 0.1)
        return [t.cpu() for i in range(5) for t in live.network(i).x.values()]

    assert all(torch.equal(a, b) for a, b in zip(run(), run(), strict=True))


def test_half_precision_stays_near_single_precision() -> None:
    family = [network(seed, 2) for seed in range(3)]
    full = Siblings(family, STEP)
    half = Siblings(family, STEP, precision="bfloat16")
    for k in range(5):
        one = full.step([_batch(k)], [_batch(50 + k)], 0.05)
        two = half.step([_batch(k)], [_batch(50 + k)], 0.05)
        np.testing.assert_allclose(one, two, rtol=0.05)
    assert not np.array_equal(one, two)
