"""The comparison of a front holds what the records of its networks say, and who beats whom."""

from __future__ import annotations

import csv
import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

from nasflow.search.front import on_front
from nasflow.stages import front_measures
from nasflow.storage.files import CorruptFile, read_json, write_json

MEASURED = ("latency_float32", "latency_int8", "test_accuracy_int8", "file_float32", "file_int8")


def rows_of(search: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_json(search / "front/front.json")["networks"]
    return rows


def test_rows_hold_what_the_records_of_their_networks_say(fronted: Path) -> None:
    rows = rows_of(fronted)
    assert [row["folder"] for row in rows] == ["front/network_1", "front/network_2", "final"]
    for row in rows:
        metrics = read_json(fronted / row["folder"] / "metrics.json")
        for key in ("fingerprint", "parameters", "test_accuracy", "validation_accuracy"):
            assert row[key] == metrics[key]
        assert row["latency_float32"] > 0.0 and row["latency_int8"] > 0.0
        assert 0.0 <= row["test_accuracy_int8"] <= 1.0
        assert row["file_int8"] > 0 and row["file_float32"] > 0
    accuracies = [row["validation_accuracy"] for row in rows]
    for cost in ("parameters", "flops", "latency_int8"):
        own = on_front(accuracies, [row[cost] for row in rows])
        assert [row["on_front"][cost] for row in rows] == own


def test_the_table_has_the_same_rows(fronted: Path) -> None:
    with open(fronted / "front/front.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    for row, line in zip(rows_of(fronted), lines, strict=True):
        assert float(line["latency_int8"]) == row["latency_int8"]
        assert line["found"] == str(row["found"]).lower()
        assert line["on_front_flops"] == str(row["on_front"]["flops"]).lower()


def test_without_onnxruntime_the_rest_is_compared_and_one_line_says_so(
    fronted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name)
    )
    search = copy_of(fronted, tmp_path)
    measure(search)
    (line,) = capsys.readouterr().err.splitlines()
    assert "onnxruntime not installed" in line and "pip install onnxruntime" in line
    for row, before in zip(rows_of(search), rows_of(fronted), strict=True):
        assert all(row[name] is None for name in MEASURED)
        assert row["on_front"] == before["on_front"] | {"latency_int8": False}


def copy_of(fronted: Path, folder: Path) -> Path:
    """Copy the experiment, and return the folder of the search in the copy."""
    experiment = shutil.copytree(fronted.parents[1], folder / "tiny")
    search: Path = experiment / fronted.relative_to(fronted.parents[1])
    return search


def measure(search: Path) -> None:
    plan, data = search / "front/plan.json", search.parents[1] / "data"
    front_measures.measure_front(data=data, plan=plan, out=plan.with_name("front.json"))


def test_metrics_of_another_network_are_refused(fronted: Path, tmp_path: Path) -> None:
    search = copy_of(fronted, tmp_path)
    path = search / "front/network_1/metrics.json"
    write_json(path, read_json(path) | {"fingerprint": "0" * 16})
    with pytest.raises(CorruptFile, match=r"network_1/metrics\.json: of another network"):
        measure(search)
