"""The stage `prune_round`: rounds behind the search, whose networks become smaller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import quick
import small

from nasflow.config.base import Base
from nasflow.config.baselines import Baselines
from nasflow.config.budget import Budget
from nasflow.config.data import Augment
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import Algorithm
from nasflow.config.prune import Prune
from nasflow.config.reading import parse
from nasflow.config.search import SHRINKING, Search
from nasflow.records.findings import Findings
from nasflow.records.round_files import check_round
from nasflow.search.recipe import Begin, Sections, round_setting
from nasflow.search.status import NO_TOTALS
from nasflow.stages import prune_rounds, training
from nasflow.stages.round_task import identity, prune_task, round_task
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import read_json
from nasflow.storage.tables import read_table

PRUNE = {"n_neigh": 3, "max_steps": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small data, and a network of two convolutions with eight filters each."""
    here = small.prepare(tmp_path_factory.mktemp("prune"))
    sections = {"base": {"widths": [8, 8]}, "pretrain": {"batch_size": 8, "epochs": 1.0}}
    given: dict[str, Any] = {"data": here / "data", "seed": 0, "device": "cpu", "threads": 1}
    out = here / "pretrain/network"
    training.pretrain(config=json.dumps(sections), algorithm="nasgd", out=out, **given)
    return here


def options(
    folder: Path, out: Path, number: int = 1, constraints: Any = None, **prune: Any
) -> dict[str, Any]:
    """The options of `prune_round` behind a search that ended with the pretrained network."""
    search = small.SEARCH | {"constraints": constraints or {"min_filters": 4}}
    sections = {"search": search, "prune": PRUNE | prune, "augment": {"shift": 1}}
    parent = folder / "pretrain/network" if number == 1 else out.with_name(f"round_{number - 1}")
    return {
        "config": json.dumps(sections),
        "algorithm": "nasgd",
        "data": folder / "data",
        "parent": parent if number == 1 else parent / "winner",
        "seed": 0,
        "round": number,
        "out": out,
        "device": "cpu",
        "threads": 1,
    }


def pruned(folder: Path, out: Path, number: int = 1, **more: Any) -> dict[str, Any]:
    prune_rounds.prune_round(**options(folder, out, number, **more))
    status: dict[str, Any] = read_json(out / "status.json")
    return status


@pytest.fixture(scope="module")
def path(folder: Path) -> list[dict[str, Any]]:
    """The statuses of four rounds, in which size is worth more than all loss."""
    numbers = (1, 2, 3, 4)
    return [pruned(folder, folder / f"path/round_{n}", n, size_weight=5.0) for n in numbers]


def test_prune_rounds_lead_to_smaller_and_smaller_networks(
    folder: Path, path: list[dict[str, Any]]
) -> None:
    before = read_checkpoint(folder / "pretrain/network").network.architecture.parameters
    sizes = [before, *(status["parameters"] for status in path)]
    assert sizes[0] > sizes[1] > sizes[2]
    assert [status["stage"] for status in path] == ["prune_round"] * 4
    assert [status["totals"]["rounds"] for status in path] == [1, 2, 3, 4]
    assert path[1]["totals"]["seconds"] > path[1]["seconds"]
    table = read_table(folder / "path/round_1/architectures.parquet").to_pylist()
    assert {row["morphism"] for row in table[1:]} <= set(SHRINKING)
    assert all(row["parameters"] < table[0]["parameters"] for row in table[1:])
    findings, centre = Findings(), None
    for number in (1, 2, 3, 4):
        centre = check_round(findings, folder / f"path/round_{number}", number, centre)
    assert findings.broken == {}


def test_a_network_that_cannot_shrink_is_handed_on_at_once(
    folder: Path, path: list[dict[str, Any]]
) -> None:
    """One convolution is left, with the fewest filters that the constraints allow."""
    last = path[-1]
    assert (last["reason"], last["steps"], last["children"]) == ("exhausted", 0, 0)
    before, after = (read_checkpoint(folder / f"path/round_{n}/winner") for n in (3, 4))
    assert after.k == before.k and after.network.architecture == before.network.architecture
    assert all((after.network.x[k] == t).all() for k, t in before.network.x.items())


def test_where_size_is_worth_nothing_the_round_ends_with_the_lowest_loss(folder: Path) -> None:
    status = pruned(folder, folder / "free/round_1", size_weight=0.0)
    last = read_table(folder / "free/round_1/particles.parquet").to_pylist()
    last = [row for row in last if row["step"] == status["steps"]]
    lowest = min(last, key=lambda row: row["validation_loss"] + row["price"])
    assert status["reason"] in ("kept", "recentred")
    assert status["winner"] == lowest["node"] or status["steps"] < PRUNE["max_steps"]


def test_a_parent_above_the_bounds_has_children_that_are_smaller(folder: Path) -> None:
    bounds = {"min_filters": 4, "max_parameters": 20, "max_flops": 10.0, "max_conv_layers": 1}
    status = pruned(folder, folder / "large/round_1", constraints=bounds, size_weight=5.0)
    assert status["children"] and status["winner"]


def test_its_random_numbers_are_those_of_no_round_of_a_search() -> None:
    """The number of a round has at most nine digits (`wildcard_constraints` of the workflow)."""
    split = quick.split_of(90, 1)
    begin = Begin(1, 40, NO_TOTALS)
    sections = Sections(Search(), Baselines(), Augment(), Base(portfolio=("chain6", "chain7")))
    numbers, portfolios = [], []
    for prune in (None, Prune()):
        setting = round_setting(
            Algorithm.NASGD,
            sections._replace(prune=prune),
            Budget(),
            begin,
            split,
            split,
            seed=0,
            workers=1,
        )
        numbers.append(setting.number)
        portfolios.append(len(setting.portfolio))
    assert numbers[0] == 1 and numbers[1] > 999_999_999
    assert portfolios == [2, 0]


def test_the_step_size_falls_once_and_particles_wait_for_its_last_quarter(folder: Path) -> None:
    """A global step k of 7 steps of pretraining does not count."""
    pruned(folder, folder / "fall/round_1", size_weight=0.0)
    table = read_table(folder / "fall/round_1/particles.parquet").to_pylist()
    taus = list({row["step"]: row["tau"] for row in table}.values())
    assert taus[0] == pytest.approx(0.05) and taus == sorted(taus, reverse=True)
    assert not any(row["moved"] for row in table if row["step"] <= 3 * PRUNE["max_steps"] // 4)


def test_a_state_of_a_search_round_is_not_taken_for_one_of_a_prune_round(folder: Path) -> None:
    given = options(folder, folder / "x/round_1")
    own = prune_task(given["config"], "nasgd", 0, 1)
    searched = small.options(folder, folder / "x")
    other = round_task(searched["config"], "nasgd", searched["budget"], 0, 1)
    where = given["data"], given["parent"]
    assert identity(own, *where)["stage"] == "prune_round" != identity(other, *where)["stage"]


def test_behind_a_baseline_the_particles_of_nasgd_decide(folder: Path) -> None:
    given = options(folder, folder / "nash/round_1") | {"algorithm": "nash"}
    prune_rounds.prune_round(**given)
    table = read_table(folder / "nash/round_1/particles.parquet")
    assert table["count"].null_count == 0 and len(table)


def test_a_round_of_seconds_lets_the_step_size_fall_and_decides_in_time(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "round_1"
    status = pruned(folder, out, seconds=0.5, max_steps=10**6, size_weight=5.0)
    assert status["reason"] == "recentred" and 8 < status["steps"] < 10**4
    table = read_table(out / "particles.parquet").to_pydict()
    assert table["tau"][-1] < 0.2 * table["tau"][0]  # particles move in the last quarter
    moved = table["moved"]
    assert not any(moved[: len(moved) // 2]) and any(moved)


def test_with_seconds_for_everything_prune_rounds_share_a_part_of_them() -> None:
    def seconds(**sections: Any) -> float | None:
        sections["budget"] = {"rounds": 2} | sections.get("budget", {})
        return parse(Experiment, sections).prune_seconds

    total = {"epochs": None, "total_seconds": 300.0}
    assert seconds(prune={"rounds": 4}) is None
    assert seconds(prune={"rounds": 4}, final=total, budget={"seconds": 100.0}) == 15.0
    assert seconds(prune={"rounds": 4, "seconds": 2.0}, final=total) == 2.0
    assert seconds(final=total) is None
