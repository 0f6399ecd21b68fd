"""Snakemake trains the networks of a front, and runs again only what a change concerns."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline import edit, jobs, planned, snakemake

from nasflow.records.verify import verify
from nasflow.storage.files import read_json

pytestmark = pytest.mark.workflow
FRONT = "results/tiny/most_flops/seed_0/front"
ALL = ["front"]
GROWING = """
algorithms: [most_flops]
base: {widths: [4, 8]}
baselines: {n_neigh: 3, epochs_neigh: 0.5}
"""


def edited(folder: Path, old: str, new: str) -> list[str]:
    """Plan with another value, and put the old one back."""
    edit(folder, old, new)
    found = planned(folder, targets=ALL)
    edit(folder, new, old)
    return found


def test_a_front_is_trained_and_only_what_changes_runs_again(search: Path) -> None:
    edit(search, "base: {widths: [4, 8]}\n", GROWING)
    edit(search, "final: {epochs: 1,", "final: {front: 3, epochs: 1,")
    done = jobs(snakemake(search, targets=ALL))
    networks = ["final_train", "front_train", "front_train"]
    assert [name for name in done if name.endswith("_train")] == sorted(networks)
    assert done[-1] == "measure_front" and done.count("front_evaluate") == 2
    assert verify(results=search / "results") == 0
    rows = read_json(search / FRONT / "front.json")["networks"]
    assert len({row["fingerprint"] for row in rows}) == 3
    assert planned(search, targets=ALL) == []

    others = ["front_train", "front_evaluate", "measure_front"]
    weights = f"{FRONT}/network_2/network.safetensors"
    assert planned(search, "--forcerun", weights, targets=ALL) == others
    (search / FRONT / "network_2/history.parquet").rename(search / "kept.parquet")
    assert planned(search, targets=ALL) == others
    (search / "kept.parquet").rename(search / FRONT / "network_2/history.parquet")

    assert edited(search, "front: 3", "front: 2") == ["select_front", "measure_front"]
    shared = edited(
        search, "epochs: 1, batch_size: 256}\nt", "total_seconds: 99.0, epochs: null}\nt"
    )
    assert shared.count("final_train") == 1 and shared.count("front_train") == 2


def test_an_experiment_without_a_front_is_planned_as_ever(search: Path) -> None:
    assert planned(search) == []
    edit(search, "final: {epochs: 1,", "final: {front: 3, epochs: 1,")
    assert planned(search) == ["select_front", "measure_front", "report"]
