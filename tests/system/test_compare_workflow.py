"""All algorithms and an ablation, through Snakemake to the page that compares them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pipeline import snakemake

from nasflow.config.compare import FILES
from nasflow.config.kinds import BASELINES, PARTICLES, Algorithm

pytestmark = pytest.mark.workflow

CONFIG = """
experiment: tiny
algorithms: [nasgd, nasagd, nash, nasgraph, random, halving, none]
threads: 1
base: {widths: [4, 8]}
pretrain: {epochs: 1, batch_size: 256}
search: {n_neigh: 2, particles: 50, batch_size: 256, window: 4, warmup_steps: 1, max_steps: 4}
baselines: {n_neigh: 3, n_morphisms: 2, epochs_neigh: 1}
budget: {rounds: 1}
final: {epochs: null, total_epochs: 12, batch_size: 256}
compare: {ablations: {log: {search: {potential: log}}}}
tracking: {enabled: false}
"""
METHODS = [*PARTICLES, *BASELINES, Algorithm.NONE, "nasgd-log"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    (folder / "config.yaml").write_text(CONFIG)
    done = snakemake(folder, "--cores", "2", targets=["compare"])
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_algorithm_runs_to_the_comparison(finished: Path) -> None:
    folder = finished / "results/tiny"
    assert {path.name for path in (folder / "comparison").iterdir()} == set(FILES)
    runs = pd.read_csv(folder / "comparison/runs.csv")
    assert list(runs.method) == METHODS
    assert (runs.epochs_total.round() == 12).all()  # 4 steps an epoch
    assert list(runs[runs.method == "none"].rounds) == [0]
    page = (folder / "comparison/comparison.html").read_text()
    assert all(f"<td>{name}</td>" in page for name in METHODS)


def test_the_base_net_alone_is_trained_with_the_whole_budget(finished: Path) -> None:
    search = finished / "results/tiny/none/seed_0"
    assert not list(search.glob("search/round_*"))
    facts = json.loads((search / "search/summary.json").read_text())
    assert (facts["rounds"], facts["reason"]) == (0, "none")
    pretrained = (search / "pretrain/network.safetensors").read_bytes()
    assert (search / "search/winner.safetensors").read_bytes() == pretrained
    metrics = json.loads((search / "final/metrics.json").read_text())
    assert (metrics["pretrain_epochs"], metrics["final_epochs"]) == (1, 11)


def test_every_algorithm_reruns_to_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    shutil.copytree(finished, folder)
    names = [name for name in METHODS if name != "none"]
    parts = ("winner.safetensors", "particles.parquet", "architectures.parquet")
    files = [
        f"results/tiny/{name}/seed_0/search/round_1/{part}" for name in names for part in parts
    ]
    before = {file: (folder / file).read_bytes() for file in files}
    weights = [file for file in files if file.endswith("safetensors")]
    done = snakemake(folder, "--cores", "2", "--force", targets=weights, server=1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(": search_round: round ") == len(names)
    assert {file: (folder / file).read_bytes() for file in files} == before


def test_an_ablation_and_the_baselines_know_only_their_own_options(
    finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "edited"
    shutil.copytree(finished, folder)
    for old, new, rerun in (
        ("n_morphisms: 2", "n_morphisms: 3", {"nash", "nasgraph", "random", "halving"}),
        ("{potential: log}", "{potential: none}", {"nasgd-log"}),
    ):
        (folder / "config.yaml").write_text(CONFIG.replace(old, new))
        done = snakemake(folder, "--dry-run", targets=["compare"])
        said = done.stdout + done.stderr
        found = {name for name in METHODS if f"tiny/{name}/seed_0/search/round_1/status" in said}
        assert found == rerun
    (folder / "config.yaml").write_text(CONFIG)
    again = snakemake(folder, targets=["compare"])
    assert "Nothing to be done" in again.stdout + again.stderr
