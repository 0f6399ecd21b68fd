"""The base network alone needs no round."""

from __future__ import annotations

import pytest

from nasflow.config.budget import Budget
from nasflow.config.kinds import FIXED
from nasflow.config.search import Search
from nasflow.search import budget as plan
from nasflow.search.ends import SearchEnd


def test_none_has_no_rounds_and_the_whole_budget() -> None:
    budget = Budget(rounds=3)
    assert not plan.rounds_wanted("none", budget)
    assert plan.rounds_wanted("nasgd-log", budget)
    assert not plan.rounds_wanted("nash", Budget(rounds=0))


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_network_has_no_rounds_and_the_whole_budget(name: str) -> None:
    assert not plan.rounds_wanted(name, Budget(rounds=3))


def test_a_round_that_cannot_move_is_not_begun() -> None:
    search = Search(n_neigh=3, warmup_steps=49)
    needed = plan.seconds_needed(search, 4, 100, 80.0)
    assert needed == pytest.approx(80.0 / 400 * 4 * 50)  # four networks, fifty steps each
    assert plan.seconds_needed(search, 4, 0, 80.0) == 0.0
    totals = dict.fromkeys(Budget.model_fields, 0.0) | {"seconds": 80.0, "needed": needed}
    assert plan.finished(Budget(seconds=119.0), totals) == SearchEnd.SECONDS
    assert plan.finished(Budget(seconds=121.0), totals) is None
    assert plan.finished(Budget(rounds=3), totals) is None  # seconds are no bound here


def test_a_search_ends_after_rounds_that_move_nothing() -> None:
    totals = dict.fromkeys(Budget.model_fields, 0.0) | {"unmoved": 2}
    assert plan.finished(Budget(rounds=9, patience=2), totals) == SearchEnd.PATIENCE
    assert plan.finished(Budget(rounds=9, patience=3), totals) is None
    assert plan.finished(Budget(rounds=9), totals) is None
    del totals["unmoved"]  # a round of an older nasflow
    assert plan.finished(Budget(rounds=9, patience=1), totals) is None
