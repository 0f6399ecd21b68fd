"""What siblings and searches change in the process of a user is as before afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from cases import images, network
from pretended_gpu import Machine

import nasflow
from nasflow.config.kinds import Precision
from nasflow.stages.stage_inputs import stage
from nasflow.training import optim
from nasflow.training.process import WORKSPACE, computing, on_device, one_thread, same_bits
from nasflow.training.siblings import Siblings

deterministic: Any = torch.utils.deterministic
UPDATE = optim.heavy_ball(friction=1.0, weight_decay=0.0)


def switches() -> tuple[Any, ...]:
    """The switches of torch that a search may need otherwise than its user."""
    backends: Any = torch.backends
    return (
        torch.get_num_threads(),
        backends.fp32_precision,
        backends.cudnn.fp32_precision,
        backends.cudnn.conv.fp32_precision,
        backends.cudnn.rnn.fp32_precision,
        backends.cudnn.allow_tf32,
        backends.cuda.matmul.fp32_precision,
        torch.get_float32_matmul_precision(),
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        backends.cudnn.deterministic,
        backends.cudnn.benchmark,
        deterministic.fill_uninitialized_memory,
        os.environ.get(WORKSPACE),
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
            wanted = "tf32" if precision == Precision.TF32 else "ieee"
            assert backends.fp32_precision == backends.cudnn.conv.fp32_precision == wanted
            assert backends.cuda.matmul.fp32_precision == wanted
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


def test_the_device_of_a_rank_is_the_current_one_while_it_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "2")
    with Machine(devices=4), stage("cuda") as own:
        assert (own, torch.cuda.current_device()) == ("cuda:2", 2)
    with Machine(devices=4), on_device("cuda:1"):
        assert torch.cuda.current_device() == 1
    with Machine(devices=4):
        with pytest.raises(RuntimeError, match="on purpose"), on_device("cuda:3"):
            raise RuntimeError("on purpose")
        assert torch.cuda.current_device() == 0
    with on_device("cpu", deterministic=True, precisions=list(Precision)):
        assert not torch.are_deterministic_algorithms_enabled(), "a CPU needs nothing"


def test_bfloat16_is_refused_in_one_line_by_a_gpu_that_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Machine():
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
        with on_device("cuda:0", precisions=[Precision.FLOAT32, Precision.TF32]):
            pass
        line = r"precision: bfloat16; pretended \(cuda:0\) has compute capability 7.5; .* set"
        with pytest.raises(ValueError, match=line), on_device("cuda:0", precisions=list(Precision)):
            pass


@pytest.mark.parametrize("found", [None, ":4096:8", ":16:8"])
def test_the_same_bits_are_asked_for_and_then_all_is_as_before(
    found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(WORKSPACE, raising=False)
    if found:
        monkeypatch.setenv(WORKSPACE, found)
    before, cudnn = switches(), torch.backends.cudnn
    with same_bits():
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert (cudnn.deterministic, cudnn.benchmark) == (True, False)
        assert os.environ[WORKSPACE] == (found or ":4096:8")
    assert switches() == before
    with pytest.raises(KeyError), same_bits():
        raise KeyError
    assert switches() == before


def test_a_process_that_used_the_gpu_before_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(WORKSPACE, raising=False)
    refused = pytest.raises(ValueError, match=r"deterministic: true; .* expected :4096:8")
    with Machine(), refused, on_device("cuda:0", deterministic=True):
        pass
    monkeypatch.setenv(WORKSPACE, ":4096:8")
    with Machine(), on_device("cuda:0", deterministic=True):
        assert torch.are_deterministic_algorithms_enabled()
