"""What Snakemake would rerun after a change, asked in copies of a finished search."""

from __future__ import annotations

import pytest
from pipeline import AFTER, RESULTS, SEARCH, edit, jobs, planned, snakemake
from places import ROOT

pytestmark = pytest.mark.workflow


def test_forcerun_of_a_round_reruns_it_and_all_after_it(search):
    weights = f"{SEARCH}/search/round_1/winner.safetensors"
    found = planned(search, "--forcerun", weights, targets=["final_model"])
    assert found == ["search_round 1", "search_round 2", *AFTER]


def test_a_search_stopped_under_a_new_budget_goes_on(search):
    edit(search, "rounds: 2", "rounds: 3")
    assert jobs(snakemake(search, targets=[f"{SEARCH}/search/plan.json"])) == ["plan"]
    assert planned(search) == ["search_round 3", *AFTER]


def test_less_budget_reruns_no_round(search):
    edit(search, "rounds: 2", "rounds: 1")
    assert planned(search) == ["plan", *AFTER]


def test_another_search_is_planned_with_as_many_rounds_as_the_last_one_had(search):
    edit(search, "particles: 50", "particles: 60")
    assert planned(search) == ["search_round 1", "search_round 2", *AFTER]


def test_a_new_budget_hides_no_other_edit(search):
    edit(search, "particles: 50", "particles: 60")
    edit(search, "rounds: 2", "rounds: 3")
    found = planned(search)
    assert [name for name in found if name.startswith("search")] == [
        "search_round 1",
        "search_round 2",
        "search_round 3",
    ]


@pytest.mark.parametrize(
    ("old", "new", "stages"),
    [
        ("final: {epochs: 1", "final: {epochs: 2", AFTER[1:]),
        ("pretrain: {epochs: 1", "pretrain: {epochs: 2", [RESULTS[1], *RESULTS[3:]]),
        ("tracking: {enabled: false}", "device: cuda\nrounds_per_job: 3", []),
        ("enabled: false", "enabled: false, uri: 'https://elsewhere'", []),
    ],
)
def test_an_edit_reruns_the_stages_it_concerns(search, old, new, stages):
    edit(search, old, new)
    found = [name for name in planned(search) if not name.startswith("track")]
    assert list(dict.fromkeys(name.split()[0] for name in found)) == stages


def test_other_threads_or_a_gpu_profile_rerun_nothing(search):
    assert planned(search, "--set-threads", "search_round=7", "--cores", "9") == []
    assert planned(search, "--profile", str(ROOT / "profiles/gpu")) == []
