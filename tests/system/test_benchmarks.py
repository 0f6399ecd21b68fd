"""The benchmarks still run; what they say is for quiet machines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT


@pytest.mark.parametrize(
    ("command", "heads"),
    [
        ("step --widths 2 --turns 1 --steps 1", "times the plain loop"),
        ("memory --widths 2", "ratio"),
    ],
)
def test_a_benchmark_prints_its_table(command: str, heads: str) -> None:
    words = [sys.executable, str(ROOT / "benchmarks/engine.py"), *command.split()]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert heads in lines[0]
    assert len(lines) > 2, "a row below the heads"
    assert all(len(line.split("|")) == len(lines[0].split("|")) for line in lines)


def test_the_screen_trains_every_child_and_the_network_without_a_change(
    searched: Path, tmp_path: Path
) -> None:
    network, data = searched / "nasgd/seed_0/pretrain/network", searched / "data"
    words = [sys.executable, str(ROOT / "benchmarks/screen.py"), str(network), str(data)]
    words += ["--seconds", "0.01", "--batch-size", "8", "--out", str(tmp_path / "runs")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if "|" in line]
    assert {"no change", "widen_all", "enlarge_all", "rate / cost"} <= set(rows)
    assert len((tmp_path / "runs").read_text().splitlines()) == rows.index("score") - 2
