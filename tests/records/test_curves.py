"""Curves for the mirror: thinned, named, and without values that are missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from mirrored import STARTED, write_round, write_training
from quick import round_of, setting_of

from nasflow.config.kinds import BASELINES
from nasflow.records import curves
from nasflow.storage.files import read_json, write_json
from nasflow.storage.tables import read_table, write_table


def test_mlflow_takes_the_names_of_children_by_many_morphisms() -> None:
    rows = {"node": [0, 1, 2], "morphism": ["", "widen+deepen", "+".join(["connect_concat"] * 90)]}
    names = curves.sibling_names(pa.table(rows))
    assert names[1] == "1 widen deepen"
    assert names[2].endswith(" and 85 more")
    assert all(re.fullmatch(r"[\w ./:-]{1,200}", name) for name in names.values())


@pytest.mark.parametrize("algorithm", BASELINES)
def test_a_mirror_shows_the_training_of_every_network(algorithm: str, tmp_path: Path) -> None:
    found = round_of(algorithm, setting_of(4))
    tables = {"particles.parquet": found.particles, "architectures.parquet": found.architectures}
    files = {name: write_table(tmp_path / name, rows) for name, rows in tables.items()}
    status = {"started": 0.0, "seconds": 1.0, "steps": found.steps, "files": files}
    write_json(tmp_path / "status.json", status)
    keys = {point.key for point in curves.of_round(tmp_path)}
    nodes = {row["node"] for row in found.particles}
    assert nodes
    assert len([key for key in keys if key.startswith("train_loss/")]) == len(nodes)
    assert not [key for key in keys if key.startswith(("share/", "energy/", "phi/"))]


def _nine_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"node": row["node"] + n} for n in range(0, 81, 9) for row in rows]


def test_large_neighbourhoods_stay_under_the_limit_of_a_run(tmp_path: Path) -> None:
    folder = write_round(tmp_path, 1, steps=250)
    particles = read_table(folder / "particles.parquet").to_pylist()
    siblings = read_table(folder / "architectures.parquet").to_pylist()
    # the rows of a step stand together, as a round writes them
    particles = sorted(_nine_times(particles), key=lambda row: row["step"])
    tables = {"particles.parquet": particles, "architectures.parquet": _nine_times(siblings)}
    files = {name: write_table(folder / name, rows) for name, rows in tables.items()}
    write_json(folder / "status.json", read_json(folder / "status.json") | {"files": files})
    points = curves.of_round(folder)
    assert len({p.key for p in points if p.key.startswith("share/")}) == 81
    assert "share/04 deepen" in {p.key for p in points}
    assert 5_000 < len(points) < 10_000


def test_the_potential_is_a_curve_where_there_is_one(tmp_path: Path) -> None:
    first, second = (write_round(tmp_path, n, steps=9, phi=phi) for n, phi in ((1, 0.0), (2, 0.1)))
    assert not [p for p in curves.of_round(first) if p.key.startswith("phi/")]
    assert [p for p in curves.of_round(second) if p.key == "phi/3 connect_add"]


def test_a_round_without_a_legal_child_is_mirrored_too(tmp_path: Path) -> None:
    folder = write_round(tmp_path, 1, steps=2)
    only = read_table(folder / "architectures.parquet").to_pylist()[:1]
    files = {
        "particles.parquet": write_table(folder / "particles.parquet", []),
        "architectures.parquet": write_table(folder / "architectures.parquet", only),
    }
    ended = {"steps": 0, "children": 0, "reason": "exhausted", "files": files}
    write_json(folder / "status.json", read_json(folder / "status.json") | ended)
    assert {p.key for p in curves.of_round(folder)} >= {"validation_accuracy", "parameters"}


def test_missing_and_infinite_values_are_left_out(tmp_path: Path) -> None:
    folder = write_training(tmp_path, "pretrain", STARTED, 0.9)
    rows = read_table(folder / "history.parquet").to_pylist()
    rows[99]["validation_loss"] = float("inf")
    files = {"history.parquet": write_table(folder / "history.parquet", rows)}
    write_json(folder / "status.json", read_json(folder / "status.json") | {"files": files})
    points = curves.of_training(folder)
    steps = [p.step for p in points if p.key == "validation_loss"]
    assert steps == [50, 150, 200, 250, 300, 350, 400, 450, 500]
    assert [p.value for p in points if p.key == "parameters"] == [6000.0]
