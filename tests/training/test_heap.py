"""Freed memory goes back to the system before `keep` and stays after it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch
from cases import images, network

from nasflow.training import heap, optim
from nasflow.training.siblings import Siblings

STEP = optim.heavy_ball(friction=1.0, weight_decay=0.0)


def _batches(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(images(16, seed=i), torch.arange(16) % 5) for i in range(count)]


def test_freed_memory_is_kept_from_the_second_step(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(heap, "apart", lambda: called.append("apart"))
    monkeypatch.setattr(heap, "keep", lambda: called.append("keep"))
    with Siblings([network(0, 1)], STEP) as live:
        live.step(_batches(1), None, 0.1)
        assert not called
        live.step(_batches(1), None, 0.1)
    assert called == ["keep"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="sets glibc")
def test_nothing_is_kept_in_a_process_that_belongs_to_no_stage() -> None:
    script = """
from nasflow.training import heap
assert not heap.keep(), "a notebook's malloc stays as it is"
assert heap.apart()
assert heap.keep()
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="reads /proc and sets glibc")
def test_a_freed_block_goes_back_before_keep_and_stays_after_it() -> None:
    script = """
import resource
from pathlib import Path
import numpy as np
from nasflow.training import heap

def left():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    before, block = resident(), np.ones(2**23)
    assert resident() - before > 60e6
    del block
    return resident() - before

assert heap.apart()
assert left() < 5e6
assert heap.keep()
assert left() > 60e6
"""
    subprocess.run([sys.executable, "-c", script], check=True)
