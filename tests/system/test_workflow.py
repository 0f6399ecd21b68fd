"""Snakemake runs a search to its end, and goes on after its configuration changes."""

from __future__ import annotations

import json

import pytest
from pipeline import (
    AFTER,
    CONFIG,
    RESULTS,
    SEARCH,
    TESTED,
    edit,
    files_in,
    hashes,
    jobs,
    planned,
    snakemake,
)
from places import ROOT

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_a_dry_run_in_an_empty_folder_plans_the_default_experiment(tmp_path, snakefile):
    result = snakemake(tmp_path, "--dry-run", config=None, snakefile=ROOT / snakefile)
    assert {name.split()[0] for name in jobs(result)} >= set(RESULTS)
    assert not files_in(tmp_path)


def test_a_search_runs_to_its_summary_and_then_there_is_nothing_to_do(finished):
    folder, result = finished
    rounds = ["search_round 1", "search_round 2"]
    assert sorted(jobs(result)) == sorted([*RESULTS[:3], *rounds, *AFTER])
    page = "  report         results/tiny/report.html\n"
    assert result.stdout == (folder / SEARCH / "final/summary.txt").read_text() + page
    again = snakemake(folder)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_forced_round_gives_the_same_bytes_and_nothing_after_it_reruns(search):
    patterns = ("search/round_2/winner.*", "search/round_2/*.parquet")
    before = hashes(search, *patterns)
    status = search / SEARCH / "search/round_2/status.json"
    times = {file: file.stat().st_mtime_ns for file in (search / SEARCH).rglob("*.json")}
    weights = f"{SEARCH}/search/round_2/winner.safetensors"
    assert jobs(snakemake(search, "--force", targets=[weights])) == ["search_round 2"]
    assert hashes(search, *patterns) == before
    assert status.stat().st_mtime_ns > times[status]
    assert planned(search) == []


def test_more_budget_adds_rounds_and_leaves_the_old_ones(search):
    edit(search, "rounds: 2", "rounds: 3")
    before = hashes(search, "search/round_*/*")
    result = snakemake(search, targets=[f"{SEARCH}/search/winner.safetensors"])
    assert sorted(jobs(result)) == ["plan", "search_round 3", "select_winner"]
    assert hashes(search, "search/round_[12]/*") == before
    assert planned(search) == AFTER[1:]


def test_tracking_mirrors_what_is_there_and_reruns_no_result(search):
    edit(search, "{enabled: false}", f"{{uri: {'https://localhost:9/$(touch PWNED)'!r}}}")
    mirrors = ["track_pretrain", "track_round 1", "track_round 2", "track_final"]
    assert planned(search) == mirrors
    assert jobs(snakemake(search, targets=[f"{SEARCH}/tracking/pretrain.json"])) == mirrors[:1]
    assert planned(search) == mirrors[1:]
    assert not [file for file in files_in(search) if "PWNED" in file]


def test_a_search_starts_from_a_network_that_was_found(search):
    """As config/prune.yaml describes it; no epoch of pretraining leaves the network as it is."""
    found = f"{SEARCH}/final/network"
    text = CONFIG.replace("tiny", "pruned").replace("{widths: [4, 8]}", f"{{network: {found}}}")
    text = text.replace("pretrain: {epochs: 1,", "pretrain: {epochs: 0,")
    (search / "mine.yaml").write_text(text)
    target = TESTED.replace("tiny", "pruned")
    assert "pretrain" in jobs(snakemake(search, config="mine.yaml", targets=[target]))
    start, end = (
        search / f"{f}.architecture.json" for f in (found, found.replace("tiny", "pruned"))
    )
    pretrained = search / "results/pruned/nasgd/seed_0/pretrain/network.architecture.json"
    assert pretrained.read_bytes() == start.read_bytes()
    assert end.exists()


def test_a_search_without_a_legal_child_ends_and_is_tested(search):
    edit(search, "max_steps: 4}", "max_steps: 4, constraints: {max_parameters: 1}}")
    result = snakemake(search, targets=[TESTED])
    assert jobs(result).count("search_round 1") == 1
    assert "ended because no child is legal" in result.stdout + result.stderr
    metrics = json.loads((search / SEARCH / "final/metrics.json").read_text())
    assert (metrics["rounds"], metrics["architectures"]) == (1, 0)


def test_the_report_is_a_part_of_a_search_and_stands_in_the_one_of_snakemake(search):
    page = (search / "results/tiny/report.html").read_text()
    assert "What the network gets wrong" in page and str(search) not in page
    assert planned(search, targets=["report"]) == []
    done = snakemake(search, "--report", "all.html", targets=["report"])
    assert done.returncode == 0, done.stderr
    assert "how far it can be trusted" in (search / "all.html").read_text()


def test_a_page_that_cannot_be_written_costs_no_finished_search(search):
    """A record that only the page reads is damaged."""
    (search / "results/tiny/report.html").unlink()
    (search / SEARCH / "pretrain/history.parquet").write_bytes(b"PAR1")
    asked = snakemake(search, "--rerun-triggers", "params", targets=["report"])
    assert asked.returncode == 1  # who asks for the page by name learns that there is none
    done = snakemake(search, "--rerun-triggers", "params")
    assert done.returncode == 0, done.stderr
    assert "history.parquet" in done.stderr
    last = done.stdout.splitlines()[-1]
    assert "could not be written" in last and "nasflow report results/tiny writes it again" in last
    assert not (search / "results/tiny/report.html").exists()
