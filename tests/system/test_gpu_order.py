"""What must wait for what on a GPU: each wait in a graph, copies that run ahead, other GPUs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from cases import network
from on_gpu import batch, usual_step
from pretended_gpu import Machine

from nasflow.stages.stage_inputs import stage
from nasflow.training import memory, optim
from nasflow.training.batches import Batches
from nasflow.training.siblings import Siblings

RULE = optim.heavy_ball(friction=1.0, weight_decay=1e-3)


def noticed(dropped: int, patch: pytest.MonkeyPatch) -> tuple[str, list[bool]]:
    """Train two siblings, while one wait between streams is left out.

    Returns:
        What is noticed, and for each wait whether it stands in a capture.
    """
    waits, inside = Machine.stream_waits, list[bool]()

    def some(self: Machine, stream: Any, event: Any) -> None:
        inside.append(self.capturing is not None)
        if len(inside) - 1 != dropped:
            waits(self, stream, event)

    patch.setattr(Machine, "stream_waits", some)
    machine = Machine()
    try:
        with machine:
            family = [network(seed, 0).to("cuda") for seed in (1, 2)]
            with Siblings(family, RULE, average=4) as live:
                for k in range(2):
                    live.step([batch(k)], [batch(50 + k)], 0.1)
    except AssertionError:
        return machine.broken[0], inside
    finally:
        patch.undo()
    return "nothing", inside


def test_every_wait_in_the_graph_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait of a stream is there in vain, and none may be left out."""
    found, inside = noticed(-1, monkeypatch)
    assert found == "nothing" and any(inside)
    needed = {n: noticed(n, monkeypatch)[0] for n, captured in enumerate(inside) if captured}
    assert not [n for n, words in needed.items() if words == "nothing"]


class Faults(NamedTuple):
    """What is left out of a program that sends batches ahead (`sent_ahead`).

    Attributes:
        sent: the graph does not wait for the copy of its batch.
        read: a copy does not wait until the graph has read the memory that it overwrites.
        filled: the host does not wait until the copy from pinned memory is done.
        fetched: the host does not wait for the losses.
    """

    sent: bool = False
    read: bool = False
    filled: bool = False
    fetched: bool = False


def sent_ahead(faults: Faults) -> list[float]:
    """Compute 2 x sum of batches by a graph, while the next batch crosses on a stream of its own.

    The losses come one step late, into pinned memory.
    """
    main, copies = torch.cuda.current_stream(), torch.cuda.Stream()
    pinned, back = torch.zeros(4).pin_memory(), torch.zeros(2).pin_memory()
    ahead, there = torch.zeros(4, device="cuda"), torch.zeros(4, device="cuda")
    graph, found = torch.cuda.CUDAGraph(), list[float]()
    with torch.cuda.graph(graph, stream=torch.cuda.Stream()):
        loss = 2.0 * there.sum()
    sent, read, *fetched = (torch.cuda.Event() for _ in range(4))

    def send(k: int) -> None:
        if not faults.filled:
            sent.synchronize()
        pinned.numpy()[:] = k + 1.0
        with torch.cuda.stream(copies):
            if not faults.read:
                read.wait()
            ahead.copy_(pinned, non_blocking=True)
            sent.record()

    def fetch(k: int) -> None:
        if not faults.fetched:
            fetched[k % 2].synchronize()
        found.append(back[k % 2].item())

    send(0)
    for k in range(5):
        if not faults.sent:
            main.wait_event(sent)
        there.copy_(ahead)
        read.record()
        graph.replay()
        back[k % 2 : k % 2 + 1].copy_(loss[None], non_blocking=True)
        fetched[k % 2].record()
        send(k + 1)
        if k:
            fetch(k - 1)
    fetch(4)
    return found


def test_batches_may_be_sent_ahead_and_losses_read_one_step_late() -> None:
    with Machine() as gpu:
        assert sent_ahead(Faults()) == [8.0 * (k + 1) for k in range(5)]
    assert gpu.count["pageable copy"] == 0


FAULTS = {
    "sent": "may still write",
    "read": "may still read",
    "filled": "pinned memory was overwritten",
    "fetched": "wrong numbers",
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_left_out_of_sending_ahead_is_noticed(name: str) -> None:
    gpu, words = Machine(), "wrong numbers"
    try:
        with gpu:
            assert sent_ahead(Faults(**{name: True})) == [8.0 * (k + 1) for k in range(5)]
    except AssertionError:
        words = gpu.broken[0] if gpu.broken else words
    else:
        words = "nothing"
    assert FAULTS[name] in words


def test_a_copy_that_hides_in_a_step_shows_in_its_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    few: dict[str, Any] = {"search": {"max_steps": 5}, "augment": {"shift": 0}}
    before, draw = usual_step(few, 1), Batches.__call__

    def looking(self: Batches, step: int) -> Any:
        images, labels = draw(self, step)
        images[:1].cpu()
        torch.tensor(1.0, device="cuda")
        return images, labels

    monkeypatch.setattr(Batches, "__call__", looking)
    after = usual_step(few, 1)
    more = after.wait - before.wait, after.h2d - before.h2d, after.d2h - before.d2h
    assert more == (4, 2, 2), "two batches are drawn in each step"


@pytest.mark.parametrize("after", [0, 40, 100])
def test_memory_that_runs_out_in_a_capture_is_called_that(
    after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is one of memory, and the work goes on on the stream of before."""
    with Machine() as gpu:
        main, begin = torch.cuda.current_stream(), torch.cuda.CUDAGraph.capture_begin

        def short(self: Any, *given: Any, **more: Any) -> None:
            begin(self, *given, **more)
            gpu.fails_after = after

        monkeypatch.setattr(torch.cuda.CUDAGraph, "capture_begin", short)
        family = [network(seed, 0).to("cuda") for seed in (1, 2)]
        live = Siblings(family, RULE, average=4)
        with live, pytest.raises(RuntimeError) as caught:
            live.step([batch(0)], [batch(1)], 0.1)
        gpu.fails_after = None
        gpu.broken.clear()
        assert memory.exhausted(caught.value)
        assert torch.cuda.current_stream() is main


def test_a_rank_opens_no_context_on_a_gpu_of_another_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with Machine(devices=2) as gpu, stage("cuda") as device:
        assert device == "cuda:1"
        with Siblings([network(0, 0).to(device)], RULE, average=4) as live:
            for k in range(2):
                live.step([batch(k, device)], [batch(50 + k, device)], 0.1)
    assert gpu.contexts == {1}


def test_a_rank_on_the_wrong_gpu_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its images are on its own GPU, and its networks on that of another rank."""
    monkeypatch.setenv("LOCAL_RANK", "1")
    gpu = Machine(devices=2)
    with gpu, stage("cuda") as device:
        live = Siblings([network(0, 0).to("cuda:0")], RULE)
        with live, pytest.raises(AssertionError):
            live.step([batch(0, device)], None, 0.1)
        found = gpu.broken.copy()
        gpu.broken.clear()
    assert "mixed" in found[0]


def test_a_graph_of_a_second_gpu_replays_there() -> None:
    right, found = [], []
    for device in ("cuda:0", "cuda:1"):
        with Machine(devices=2) as gpu:
            with Siblings([network(0, 0).to(device)], RULE, average=4) as live:
                found = [live.step([batch(k, device)], None, 0.1)[0] for k in range(3)]
            assert gpu.count["replay"] == 3
        right = right or found
    np.testing.assert_array_equal(found, right)
