"""Snakemake trains the networks of a front, and runs again only what a change concerns."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline import CONFIG, edit, jobs, planned, snakemake

from nasflow.records.verify import verify
from nasflow.storage.files import read_json

pytestmark = pytest.mark.workflow
SEARCH = "results/tiny/most_flops/seed_0"  # each of its rounds takes the largest child
GROWING = """
algorithms: [most_flops]
base: {widths: [4, 8]}
baselines: {n_neigh: 3, epochs_neigh: 0.5}
"""


def test_a_front_is_trained_and_only_what_changes_runs_again(tmp_path: Path) -> None:
    front = tmp_path / SEARCH / "front"
    (tmp_path / "config.yaml").write_text(CONFIG)
    edit(tmp_path, "\nbase: {widths: [4, 8]}\n", GROWING)
    edit(tmp_path, "final: {epochs: 1,", "final: {front: 3, epochs: 1,")
    done = jobs(snakemake(tmp_path, targets=["front"]))
    assert done.count("final_train") == 1
    assert done.count("front_train") == done.count("front_evaluate") == 2
    assert done[-1] == "measure_front" and verify(results=tmp_path / "results") == 0
    rows = read_json(front / "front.json")["networks"]
    assert len({row["fingerprint"] for row in rows}) == 3
    assert planned(tmp_path, targets=["front"]) == []

    history = front / "network_2/history.parquet"
    history.rename(tmp_path / "kept.parquet")
    others = ["front_train", "front_evaluate", "measure_front"]
    assert planned(tmp_path, targets=["front"]) == others, "network 2, and what depends on it"
    (tmp_path / "kept.parquet").rename(history)

    edit(tmp_path, "front: 3", "front: 1")
    assert planned(tmp_path, targets=[f"{SEARCH}/final/metrics.json"]) == []
    edit(tmp_path, "front: 1, epochs: 1,", "front: 3, epochs: null, total_seconds: 99.0,")
    plan = f"{SEARCH}/front/plan.json"
    assert jobs(snakemake(tmp_path, targets=[plan])) == ["select_front"]
    trained = [name for name in planned(tmp_path, targets=["front"]) if name.endswith("_train")]
    assert sorted(trained) == ["final_train", "front_train", "front_train"]
