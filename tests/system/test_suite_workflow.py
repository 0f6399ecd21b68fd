"""A suite of two sets, through Snakemake to its page; a set that is deleted runs again alone."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pipeline import planned, snakemake

from nasflow.config.suite import FILES
from nasflow.records.verify import check

pytestmark = pytest.mark.workflow

CONFIG = """
experiment: tiny
base: {widths: [4, 8]}
pretrain: {epochs: 1, batch_size: 256}
search: {n_neigh: 2, particles: 50, batch_size: 256, window: 4, warmup_steps: 1, max_steps: 4}
budget: {rounds: 1}
final: {batch_size: 256}
suite:
  sets: {one: {}, two: {data: {train: photos, split_seed: 1}}}
  long: {methods: [nasgd, none], seconds: 1.5, seeds: [0]}
  short: {methods: []}
"""
SUITE = Path("results/tiny")


def run(folder: Path) -> str:
    done = snakemake(folder, targets=["suite"])
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout + done.stderr)


def last_log(folder: Path) -> str:
    """All messages of the last Snakemake that ran jobs in a folder."""
    return sorted(folder.glob(".snakemake/log/*.log"))[-1].read_text()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "config.yaml").write_text(CONFIG)
    run(folder)
    return folder


def metrics(folder: Path, name: str) -> list[Path]:
    return sorted((folder / SUITE / name).glob(f"results/{name}_1_5/*/seed_0/final/metrics.json"))


def test_a_suite_runs_to_its_page(finished: Path) -> None:
    folder = finished / SUITE
    assert {path.name for path in folder.iterdir() if path.is_file()} == set(FILES)
    runs = pd.read_csv(folder / "runs.csv")
    assert list(zip(runs.set, runs.method, strict=True)) == [
        (name, method) for name in ("one", "two") for method in ("nasgd", "none")
    ]
    assert list(runs[runs.method == "none"].own_line) == [1.0, 1.0]
    assert (runs[runs.method == "nasgd"].own_line < 1.0).all()
    page = (folder / "suite.html").read_text()
    assert "NASGD ends" in page and "nasgd against each method at 1.5 seconds" in page
    assert len(metrics(finished, "one")) == len(metrics(finished, "two")) == 2
    assert not check(finished / "results").broken


def test_the_files_of_a_set_do_not_depend_on_the_folder(finished: Path) -> None:
    own = yaml.safe_load((finished / SUITE / "two/two_1_5.yaml").read_text())
    assert (own["experiment"], own["data"]["split_seed"]) == ("two_1_5", 1)
    assert own["data"]["train"] == str(finished / "photos")
    assert "suite" not in own


def test_a_second_call_does_nothing(finished: Path) -> None:
    assert planned(finished, targets=["suite"]) == []


def test_a_deleted_run_runs_again_alone(finished: Path) -> None:
    """The set is asked again when its record is deleted, and keeps the runs that are there."""
    one, two = metrics(finished, "one"), metrics(finished, "two")
    kept = {path: path.stat().st_mtime_ns for path in (*one, two[0])}
    two[1].unlink()
    (finished / SUITE / "two/sitting.json").unlink()
    assert planned(finished, targets=["suite"]) == ["sitting", "suite_page"]
    run(finished)
    assert last_log(finished / SUITE / "two").count(": evaluate: ") == 1
    assert two[1].exists()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_failed_set_leaves_the_others_and_the_same_command_goes_on(
    tmp_path: Path,
) -> None:
    """`two` has no images; `one` still gets its record, and no page is made."""
    bad = "two: {data: {source: folder, train: absent}}"
    text = CONFIG.replace("two: {data: {train: photos, split_seed: 1}}", bad)
    text = text.replace("[nasgd, none]", "[nasgd]")
    (tmp_path / "config.yaml").write_text(text)
    done = snakemake(tmp_path, targets=["suite"])
    assert done.returncode == 1
    assert "absent" in done.stdout + done.stderr
    assert (tmp_path / SUITE / "one/sitting.json").exists()
    assert not (tmp_path / SUITE / "suite.html").exists()
    (tmp_path / "config.yaml").write_text(text.replace(bad, "two: null"))
    assert planned(tmp_path, targets=["suite"]) == ["suite_page"]


def test_a_suite_without_sets_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(json.dumps({"experiment": "tiny"}))
    done = snakemake(tmp_path, targets=["suite"])
    assert done.returncode == 1
    assert "suite.sets: {}; name at least one data set" in done.stdout + done.stderr
