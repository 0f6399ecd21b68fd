"""The base network alone needs no round."""

from __future__ import annotations

import pytest

from nasflow.config.budget import Budget
from nasflow.config.kinds import FIXED
from nasflow.search import budget as plan


def test_none_has_no_rounds_and_the_whole_budget() -> None:
    budget = Budget(rounds=3)
    assert not plan.rounds_wanted("none", budget)
    assert plan.rounds_wanted("nasgd-log", budget)
    assert not plan.rounds_wanted("nash", Budget(rounds=0))


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_network_has_no_rounds_and_the_whole_budget(name: str) -> None:
    assert not plan.rounds_wanted(name, Budget(rounds=3))
