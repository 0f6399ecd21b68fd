"""The benchmarks still run; what they say is for quiet machines."""

from __future__ import annotations

import subprocess
import sys

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
