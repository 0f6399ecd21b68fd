"""Several rounds in one job: the results of one round per job, and its reruns."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pipeline import SEARCH, edit, files_in, jobs, snakemake
from small import results

from nasflow.records.verify import verify

pytestmark = pytest.mark.workflow
ROUNDS = [f"{SEARCH}/search/round_{number}" for number in (1, 2)]
TAKEN = "was computed ahead; it takes its place"


def test_a_search_with_several_rounds_per_job_ends_in_the_same_files(
    finished: tuple[Path, object], search: Path
) -> None:
    """The target is first one round of three, then a search of two, then one round by force."""
    whole = finished[0]
    for name in ("search", "final"):
        shutil.rmtree(search / SEARCH / name)
    edit(search, "budget: {rounds: 2}", "rounds_per_job: 3\nbudget: {rounds: 3}")
    said = snakemake(search, targets=[f"{ROUNDS[0]}/status.json"])
    assert jobs(said) == ["search_round 1"]
    assert [f"round {number}/3: 4 steps" in said.stderr for number in (1, 2, 3)] == [True] * 3
    assert files_in(search / SEARCH / "search/round_3") > {".ahead/status.json"}
    assert verify(results=search / "results") == 0

    edit(search, "budget: {rounds: 3}", "budget: {rounds: 2}")
    said = snakemake(search, targets=[f"{SEARCH}/search/summary.json"])
    *free, last = jobs(said)  # neither of the first two needs the other
    assert (sorted(free), last) == (["plan", "search_round 2"], "select_winner")
    assert said.stderr.count(TAKEN) == 1 and "steps in" not in said.stderr
    kept = [files_in(one / SEARCH / "search") for one in (search, whole)]
    assert kept[0] == kept[1], "what nobody wants is gone"
    for one in ROUNDS:
        assert results(search / one) == results(whole / one)

    said = snakemake(search, "-f", targets=[f"{ROUNDS[0]}/status.json"])
    assert jobs(said) == ["search_round 1"]
    assert said.stderr.count("steps in") == 1
    assert results(search / ROUNDS[0]) == results(whole / ROUNDS[0])
    assert not (search / ROUNDS[1] / ".ahead").exists()
