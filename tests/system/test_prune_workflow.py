"""Prune rounds in the workflow: they follow a finished search, and touch nothing of it."""

from __future__ import annotations

import json

import pytest
from pipeline import SEARCH, edit, hashes, jobs, planned, snakemake

from nasflow.records.story import story
from nasflow.records.verify import check
from nasflow.report.page import page

pytestmark = pytest.mark.workflow

PRUNE = "prune: {rounds: 2, n_neigh: 2, max_steps: 4, size_weight: 3.0}\n"
LAST = f"{SEARCH}/prune/round_2/status.json"


def test_prune_rounds_follow_a_finished_search_and_change_nothing_of_it(search):
    edit(search, "tracking:", f"{PRUNE}tracking:")
    assert planned(search) == ["prune_round 1", "prune_round 2", "report"]
    before = hashes(search, "search/round_*/*", "final/*")
    assert jobs(snakemake(search, targets=[LAST])) == ["prune_round 1", "prune_round 2"]
    assert hashes(search, "search/round_*/*", "final/*") == before
    statuses = [
        json.loads((search / SEARCH / f"prune/round_{n}/status.json").read_text()) for n in (1, 2)
    ]
    found = json.loads((search / SEARCH / "search/summary.json").read_text())["parameters"]
    assert found > statuses[0]["parameters"] >= statuses[1]["parameters"]

    results = search / "results/tiny"
    assert check(results).broken == {}
    told = story(results, "nasgd", 0)
    assert [found.number for found in told.pruned] == [1, 2]
    assert all(None not in found.graphs for found in told.pruned)
    text = page(results, None)
    assert "Smaller networks" in text and text.count("<summary>Prune round ") == 2

    edit(search, "prune: {rounds: 2", "prune: {rounds: 3")
    assert planned(search) == ["prune_round 3", "report"]
    (search / SEARCH / "prune/round_1/winner.json").unlink()
    assert str(search / SEARCH / "prune/round_1/winner.json") in map(str, check(results).broken)
    edit(search, "enabled: false", "uri: 'https://localhost:9'")
    found = planned(search)
    for rule in ("prune_round", "track_prune"):
        wanted = [f"{rule} {number}" for number in (1, 2, 3)]
        assert [name for name in found if name.startswith(rule)] == wanted
