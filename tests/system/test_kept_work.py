"""Finished work is kept: by jobs that fail, without Snakemake's notes, and where files are gone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pipeline import AFTER, SEARCH, TESTED, edit, files_in, jobs, planned, snakemake

from nasflow.records.verify import verify

pytestmark = pytest.mark.workflow
DATA = "results/tiny/data"


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The content of all results, without logs and tables of seconds."""
    own = [name for name in files_in(folder) if name.startswith("results/")]
    kept = [name for name in own if not {"logs", "benchmarks"} & set(name.split("/"))]
    return {name: (folder / name).read_bytes() for name in kept}


def split_of(search: Path, text: str) -> None:
    """Tell the splits by a file, which `prepare` reads."""
    (search / "split.csv").write_text(text)
    edit(search, "experiment: tiny", "experiment: tiny\ndata: {split: split.csv}")


def test_a_refused_input_costs_nothing_and_put_back_reruns_nothing(search: Path) -> None:
    before = bytes_of(search)
    split_of(search, "no,columns\n")
    for _ in range(2):
        refused = snakemake(search)
        assert refused.returncode == 1
        assert "data.split: 'split.csv': columns no, columns;" in refused.stderr
        assert bytes_of(search) == before
    edit(search, "\ndata: {split: split.csv}", "")
    assert planned(search) == []
    assert bytes_of(search) == before


def test_a_typo_in_a_batch_size_is_refused_before_anything(search: Path) -> None:
    before = bytes_of(search)
    edit(search, "final: {epochs: 1, batch_size: 256}", "final: {epochs: 1, batch_size: 25600}")
    refused = snakemake(search)
    assert refused.returncode == 2
    assert "final.batch_size: 25600; expected at most the 1294 images there are" in refused.stderr
    assert "Traceback" not in refused.stderr and bytes_of(search) == before


@pytest.mark.parametrize("link", ["", "link.csv", "absolute"])
def test_the_own_split_is_no_input(search: Path, link: str) -> None:
    path = f"{DATA}/split.csv"
    if link == "absolute":
        path = str(search / path)
    elif link:
        os.symlink(path, search / link)
        path = link
    edit(search, "experiment: tiny", f"experiment: tiny\ndata: {{split: {path}}}")
    refused = snakemake(search)
    assert refused.returncode == 2 and (search / DATA / "split.csv").exists()
    assert "a file that experiment tiny writes itself" in refused.stderr


def test_the_own_network_of_another_seed_is_no_input(search: Path) -> None:
    edit(search, "{widths: [4, 8]}", f"{{network: {SEARCH}/final/network}}")
    edit(search, "experiment: tiny", "experiment: tiny\nseeds: [1]")
    refused = snakemake(search, "--dry-run")
    assert refused.returncode == 2
    assert "base.network: " in refused.stderr and "writes itself" in refused.stderr


def test_without_the_notes_of_snakemake_a_changed_configuration_is_noticed(search: Path) -> None:
    shutil.rmtree(search / ".snakemake")
    assert planned(search) == []
    edit(search, "final: {epochs: 1", "final: {epochs: 2")
    assert planned(search) == AFTER[1:]
    edit(search, "particles: 50", "particles: 60")
    assert planned(search) == ["search_round 1", "search_round 2", *AFTER]
    edit(search, "pretrain: {epochs: 1", "pretrain: {epochs: 2")
    assert planned(search)[0] == "pretrain"
    edit(search, "experiment: tiny", "experiment: tiny\ndata: {split_seed: 1}")
    assert planned(search)[0] == "prepare"


def test_a_copy_with_other_times_computes_nothing_again(search: Path) -> None:
    shutil.rmtree(search / ".snakemake")
    for file in (search / DATA).iterdir():
        os.utime(file)
    before = bytes_of(search)
    result = snakemake(search)
    assert jobs(result)[0] == "pretrain"
    for stage in ("pretrain", "search/round_1", "search/round_2", "final"):
        assert f"{SEARCH}/{stage}: is there, from the same inputs; it is kept" in result.stderr
    changed = {name for name, content in bytes_of(search).items() if before[name] != content}
    page, own = "results/tiny/report.html", ("metrics.json", "summary.txt")
    assert changed <= {page, *(f"{SEARCH}/final/{name}" for name in own)}, "seconds"


@pytest.mark.parametrize(
    ("file", "first"),
    [
        (f"{DATA}/split.csv", "prepare"),
        (f"{SEARCH}/pretrain/history.parquet", "pretrain"),
        (f"{SEARCH}/search/plan.json", "plan"),
        (f"{SEARCH}/search/round_1/architectures.parquet", "search_round 1"),
        (f"{SEARCH}/search/round_2/status.json", "search_round 2"),
        (f"{SEARCH}/search/winner.safetensors", "select_winner"),
        (f"{SEARCH}/final/network.json", "final_train"),
        (f"{SEARCH}/final/images.json", "evaluate"),
    ],
)
def test_a_deleted_file_is_planned_again(search: Path, file: str, first: str) -> None:
    (search / file).unlink()
    assert planned(search)[0] == first


def test_a_deleted_file_is_made_again_and_the_stages_after_it_are_kept(search: Path) -> None:
    file = search / SEARCH / "search/round_1/particles.parquet"
    before = file.read_bytes()
    file.unlink()
    result = snakemake(search, targets=[TESTED])
    assert jobs(result)[0] == "search_round 1" and file.read_bytes() == before
    assert f"{SEARCH}/final: is there, from the same inputs; it is kept" in result.stderr
    assert verify(results=search / "results") == 0
    assert planned(search, targets=[TESTED]) == []


def test_forced_stages_compute(search: Path) -> None:
    force = ("--forcerun", f"{SEARCH}/search/round_2/status.json")
    result = snakemake(search, *force, targets=[TESTED])
    assert "it is kept" not in result.stderr
    assert jobs(result)[0] == "search_round 2"
