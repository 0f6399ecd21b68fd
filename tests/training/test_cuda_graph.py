"""The step as a CUDA graph: compared with single kernels on a GPU, with stand-ins elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from cases import images, network

from nasflow.training import cuda_graph as captured
from nasflow.training import optim
from nasflow.training.cuda_graph import Captured
from nasflow.training.siblings import Siblings

STEP = optim.heavy_ball(friction=1.0, weight_decay=1e-3)


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def _batch(seed: int, device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    return images(16, seed=seed).to(device), (torch.arange(16) % 5).to(device)


class _Stream:
    def wait_stream(self, other: object) -> None:
        pass


class _Graph:
    def replay(self) -> None:
        raise AssertionError("the test puts its own replay here")


@contextmanager
def _capture(graph: _Graph, stream: object) -> Iterator[None]:
    yield


def test_a_captured_step_is_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins show that static inputs are filled, that tau is read from its tensor, and that the
    warm-up leaves no trace."""
    monkeypatch.setattr(captured, "_stream", lambda device: _Stream())
    for name, value in {
        "current_stream": lambda device: _Stream(),
        "stream": lambda stream: nullcontext(),
        "CUDAGraph": _Graph,
        "graph": _capture,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    family = [network(seed, 1) for seed in range(3)]
    slow = Siblings(family, STEP, average=4)
    fast = Siblings(family, STEP, average=4)
    graph = Captured(
        fast._local.train_and_validate, [t for s in fast._live.values() for t in s.tensors]
    )
    fast._captured = graph

    def replay() -> None:
        args: tuple[Any, ...] = (sorted(range(3), key=lambda i: -fast._costs[i]), [_Stream()] * 3)
        graph._losses.copy_(graph._all(*args, _Stream()))  # type: ignore[arg-type]

    monkeypatch.setattr(_Graph, "replay", lambda self: replay())
    for k in range(6):
        one = slow.step([_batch(k)], [_batch(50 + k)], 0.1 / (k + 1))
        two = fast.step([_batch(k)], [_batch(50 + k)], 0.1 / (k + 1))
        np.testing.assert_allclose(one, two, rtol=2e-4)
    for name, t in slow.averaged(2).x.items():
        torch.testing.assert_close(fast.averaged(2).x[name], t, rtol=1e-3, atol=1e-4)


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
