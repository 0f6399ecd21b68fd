"""The script for ten minutes on a GPU runs, so that no mistake in it takes those minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from pretended_gpu import Machine

sys.path.insert(0, str(ROOT / "benchmarks"))  # benchmarks/ is no part of the package

import gpu_pipeline
import gpu_steps

STAGES = ["environment", "captured", "waits", "memory", "determinism", "round"]
PLACE = gpu_steps.Place("cuda", 2, 8)


def test_the_dry_form_measures_each_stage(tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "benchmarks/gpu.py"), str(tmp_path), "--dry", "--stages"]
    done = subprocess.run([*words, *STAGES], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert list(dict.fromkeys(row["stage"] for row in rows)) == STAGES
    assert all(len([r for r in rows if r["stage"] == stage]) >= 2 for stage in STAGES)
    tables = (tmp_path / "tables.md").read_text()
    assert all(f"## {stage}\n" in tables for stage in STAGES)


def test_a_stage_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "benchmarks/gpu.py"), str(tmp_path), "--dry"]
    words += ["--seconds", "26", "--stages", "pipeline", "environment"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    first, *_, last = (json.loads(s) for s in (tmp_path / "rows.jsonl").read_text().splitlines())
    assert first["stage"] == "pipeline" and "expected at least 20" in first["error"]
    assert last["stage"] == "environment"
    assert "Traceback" in (tmp_path / "errors.txt").read_text()


@pytest.mark.parametrize(
    "measured",
    [
        lambda: gpu_steps.rates("cuda", 32),
        lambda: gpu_steps.captured_against_eager(PLACE, (1, 1)),
        lambda: gpu_steps.peak_memory(PLACE),
        lambda: gpu_steps.repeated(PLACE, 1),
        lambda: gpu_steps.one_round(PLACE, 4),
    ],
)
def test_measurements_obey_the_rules_of_a_gpu(
    measured: Callable[[], Iterator[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.setattr(gpu_steps, "MANNERS", gpu_steps.MANNERS[-2:])
    with Machine():
        rows = list(measured())
    assert rows
    assert all(row.get("losses differ by", 0.0) < 0.02 for row in rows)


def test_the_shortened_configuration_divides_the_seconds(tmp_path: Path) -> None:
    short: Any = gpu_pipeline._overlay("cuda", tmp_path, 100.0)
    assert short["final"] == {"total_seconds": 75.0} and short["budget"] == {"seconds": 20.0}
    assert short["data"]["train"] == f"{tmp_path}/train*.parquet"
