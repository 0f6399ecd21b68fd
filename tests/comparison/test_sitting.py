"""The record of a sitting: its runs, and the machine that their records name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from nasflow.comparison.sitting import host, sitting
from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse
from nasflow.storage.files import CorruptFile, read_json, write_json


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """The folder of a set with one search by particles and one without."""
    shutil.copytree(tiny, tmp_path / "results/mine_40")
    return tmp_path


def a_suite(*methods: str) -> Experiment:
    length = {"methods": methods, "seconds": 40.0, "seeds": [0]}
    suite: dict[str, Any] = {"sets": {"mine": {}}, "long": length, "short": {"methods": []}}
    parsed: Experiment = parse(Experiment, {"budget": {"rounds": 1}, "suite": suite})
    return parsed


def test_a_sitting_has_all_runs_and_one_machine(folder: Path) -> None:
    found = sitting(folder, a_suite("nasgd", "nash"), "mine")
    assert [(run["seconds"], run["method"]) for run in found["runs"]] == [
        (40.0, "nasgd"),
        (40.0, "nash"),
    ]
    metrics = read_json(folder / "results/mine_40/nasgd/seed_0/final/metrics.json")
    assert found["runs"][0]["test_error"] == metrics["test_error"]
    assert 0.0 < found["runs"][0]["own_line"] < 1.0
    assert (found["set"], found["host"], len(found["machines"])) == ("mine", host(), 1)
    assert found["began"] < found["ended"]


def test_runs_on_another_machine_are_seen(folder: Path) -> None:
    status = folder / "results/mine_40/nash/seed_0/final/status.json"
    facts = read_json(status)
    write_json(status, facts | {"machine": facts["machine"] | {"processor": "znver99"}})
    found = sitting(folder, a_suite("nasgd", "nash"), "mine")
    assert len(found["machines"]) == 2
    assert found["machines"][1].startswith("znver99")


def test_a_missing_run_is_told(folder: Path) -> None:
    with pytest.raises(CorruptFile, match=r"none/seed_0/final/metrics\.json: missing"):
        sitting(folder, a_suite("nasgd", "none"), "mine")
