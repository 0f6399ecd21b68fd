"""The plan of a front names different networks of the path, the found one among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nasflow.stages.front_plan import select_front
from nasflow.storage.files import read_json
from nasflow.storage.manifest import read_architecture


def plan_of(search: Path, out: Path, **final: Any) -> dict[str, Any]:
    """Plan a front of the search, and return the plan."""
    bounds, prune = final.pop("constraints", {}), final.pop("prune", [])
    select_front(
        config=json.dumps({"final": {"front": 3, **final}, "constraints": bounds}),
        pretrain=search / "pretrain/status.json",
        search=search / "search/summary.json",
        rounds=sorted((search / "search").glob("round_*")),
        prune=prune,
        out=out,
    )
    found: dict[str, Any] = read_json(out)
    return found


@pytest.fixture
def out(fronted: Path) -> Path:
    """Where another plan of the search may stand."""
    return fronted / "other/plan.json"


def test_the_networks_rise_from_the_pretrained_to_the_found_one(fronted: Path, out: Path) -> None:
    rows = plan_of(fronted, out)["networks"]
    assert [row["name"] for row in rows] == ["pretrain", "round 1", "round 2"]
    assert [row["found"] for row in rows] == [False, False, True]
    assert [row["index"] for row in rows] == [1, 2, 3]
    for row in rows:
        g = read_architecture(fronted / row["source"])
        assert (g.fingerprint, g.flops, g.parameters) == (
            row["fingerprint"],
            row["flops"],
            row["parameters"],
        )
    assert rows[2]["fingerprint"] == read_json(fronted / "search/summary.json")["fingerprint"]
    assert sum(row["share"] for row in rows) == pytest.approx(1.0)
    assert not any(row["teacher"] for row in rows)


def test_the_same_search_gives_the_same_bytes(fronted: Path, out: Path) -> None:
    plan_of(fronted, out)
    before = out.read_bytes()
    plan_of(fronted, out)
    assert out.read_bytes() == before


def test_fewer_networks_than_wanted_are_all_taken_and_told(
    fronted: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(plan_of(fronted, out, front=7)["networks"]) == 3
    assert "final.front: 7; search and pruning have 3 different" in capsys.readouterr().err


def test_a_network_that_breaks_a_bound_is_left_out_unless_it_was_found(
    fronted: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = plan_of(fronted, out)["networks"]
    bound = {"max_parameters": rows[0]["parameters"]}
    kept = plan_of(fronted, out, constraints=bound)["networks"]
    assert [row["name"] for row in kept] == ["pretrain", "round 2"]
    assert "within search.constraints" in capsys.readouterr().err


def test_the_largest_network_teaches_where_networks_are_distilled(fronted: Path, out: Path) -> None:
    rows = plan_of(fronted, out, distillation=0.5)["networks"]
    assert [row["teacher"] for row in rows] == [False, False, True]
    alone = plan_of(fronted, out, distillation=0.5, front=1)["networks"]
    assert [row["teacher"] for row in alone] == [False]


def test_a_total_budget_counts_what_search_and_pruning_took(fronted: Path, out: Path) -> None:
    spent = read_json(fronted / "search/summary.json")["spent"]
    total = {"epochs": None, "total_seconds": 100.0}
    assert "spent" not in plan_of(fronted, out)
    assert plan_of(fronted, out, **total)["spent"] == spent
    pruned = [fronted / "search/round_1", fronted / "search/round_2"]  # they count from the start
    both = plan_of(fronted, out, **total, prune=pruned)["spent"]
    totals = read_json(pruned[-1] / "status.json")["totals"]
    assert both["seconds"] == pytest.approx(spent["seconds"] + totals["seconds"])
    assert both["epochs"] == pytest.approx(spent["epochs"] + totals["network_epochs"])
