"""The base network alone needs no round."""

from __future__ import annotations

from nasflow.config.budget import Budget
from nasflow.search import budget as plan


def test_none_has_no_rounds_and_the_whole_budget() -> None:
    budget = Budget(rounds=3)
    assert not plan.rounds_wanted("none", budget)
    assert plan.rounds_wanted("nasgd-log", budget)
    assert not plan.rounds_wanted("nash", Budget(rounds=0))
