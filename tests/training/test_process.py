"""What siblings and searches change in the process of a user is as before afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from cases import images, network

import nasflow
from nasflow.config.kinds import Precision
from nasflow.training import optim
from nasflow.training.process import computing, one_thread
from nasflow.training.siblings import Siblings

UPDATE = optim.heavy_ball(friction=1.0, weight_decay=0.0)


def switches() -> tuple[Any, ...]:
    """The switches of torch that a search may need otherwise than its user."""
    backends: Any = torch.backends
    return (
        torch.get_num_threads(),
        backends.fp32_precision,
        backends.cudnn.fp32_precision,
        backends.cuda.matmul.fp32_precision,
        torch.get_float32_matmul_precision(),
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
    )


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    """A user whose torch computes on three threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_siblings_compute_on_one_thread_and_leave_the_process_as_it_was() -> None:
    before = switches()
    live = Siblings([network(0, 1)], UPDATE)
    assert switches() == before, "making siblings changes nothing"
    with live:
        assert torch.get_num_threads() == 1
        live.step([(images(8), torch.arange(8) % 5)], None, 0.1)
    assert switches() == before


@pytest.mark.parametrize("precision", list(Precision))
def test_the_precision_is_put_back_also_after_an_error(precision: Precision) -> None:
    def fail() -> None:
        with computing(precision):
            backends: Any = torch.backends
            assert backends.fp32_precision == ("tf32" if precision == Precision.TF32 else "ieee")
            raise RuntimeError("on purpose")

    before = switches()
    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert switches() == before


def test_contexts_may_stand_in_one_another() -> None:
    with one_thread():
        with computing(Precision.TF32), computing(Precision.FLOAT32):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_a_search_in_memory_leaves_the_process_as_it_was() -> None:
    rng, before = np.random.default_rng(0), switches()
    labels = np.arange(120) % 3
    pictures = (rng.integers(0, 90, (120, 8, 8)) + 60 * labels[:, None, None]).astype(np.uint8)
    sections = {
        "base": {"widths": [4, 4]},
        "pretrain": {"epochs": 1.0, "batch_size": 32},
        "search": {
            "n_neigh": 2,
            "max_steps": 3,
            "warmup_steps": 1,
            "batch_size": 32,
            "validation_batch_size": 8,
        },
        "budget": {"rounds": 1},
        "final": {"epochs": 1.0, "batch_size": 32},
    }
    threads: list[int] = []
    found = nasflow.run_search(
        pictures, labels, progress=lambda *_: threads.append(torch.get_num_threads()), **sections
    )
    assert set(threads) == {1}, "it computed on one thread"
    assert len(found.rounds) == 1
    assert switches() == before
