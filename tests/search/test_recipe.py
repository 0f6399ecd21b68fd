"""How a round is put together: the right function, the right keys, the right rest of the budget."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from quick import base_network, round_of, setting_of, split_of

from nasflow.config.base import Base
from nasflow.config.baselines import Baselines
from nasflow.config.budget import Budget
from nasflow.config.data import Augment
from nasflow.config.kinds import BASELINES, FIXED, Algorithm, Template
from nasflow.config.search import Search
from nasflow.search.budget import finished
from nasflow.search.ends import SearchEnd
from nasflow.search.recipe import (
    LAST,
    ROUNDS,
    Begin,
    Sections,
    entering,
    round_function,
    round_setting,
)
from nasflow.search.status import NO_TOTALS, round_totals

SECTIONS = Sections(Search(n_neigh=5), Baselines(n_neigh=7, epochs_neigh=2.0), Augment())


def test_every_algorithm_that_searches_has_rounds() -> None:
    assert set(ROUNDS) == set(Algorithm) - {Algorithm.NONE, *FIXED}
    for algorithm in (Algorithm.NONE, *FIXED):
        with pytest.raises(ValueError, match="expected one of nasgd"):
            round_function(algorithm)


@pytest.mark.parametrize("algorithm", sorted(ROUNDS))
def test_a_portfolio_is_that_of_the_first_round_of_some_algorithms(algorithm: Algorithm) -> None:
    base = Base(portfolio=(Template.CHAIN6, Template.AIRBENCH), portfolio_part=0.3)
    totals = {"seconds": 0.0, "network_epochs": 0.0}
    found = [
        round_setting(
            algorithm,
            SECTIONS._replace(base=base),
            Budget(rounds=9),
            Begin(number, 0, totals),
            split_of(192, 1),
            split_of(90, 2),
            seed=4,
            workers=1,
        )
        for number in (1, 2)
    ]
    expected = base.portfolio if algorithm in ("nasgd", "nasagd", "race") else ()
    assert [setting.portfolio for setting in found] == [expected, ()]
    assert found[0].part == 0.3


@pytest.mark.parametrize(("algorithm", "last"), [("race", 1), ("most_flops", 2)])
def test_some_algorithms_have_a_last_round(algorithm: Algorithm, last: int) -> None:
    """A search ends behind it, whatever its budget still allows."""
    assert LAST[algorithm] == last
    result = round_of("most_flops", setting_of(0))
    for number in range(1, last + 1):
        over = number == last
        totals = round_totals(result, NO_TOTALS, number, 6.0, 3, last=over)
        assert finished(Budget(rounds=9), totals) == (SearchEnd.CHILDREN if over else None)


def test_a_baseline_has_its_own_keys_and_nasgd_has_not() -> None:
    for algorithm in ROUNDS:
        search = SECTIONS.of(algorithm)
        expected = (7, 2.0) if algorithm in BASELINES else (5, Search().epochs_neigh)
        assert (search.n_neigh, search.epochs_neigh) == expected
        assert search.batch_size == SECTIONS.search.batch_size


def test_a_setting_has_what_is_left_of_the_budget() -> None:
    totals = {"seconds": 10.0, "network_epochs": 4.0}
    setting = round_setting(
        Algorithm.NASGD,
        SECTIONS,
        Budget(steps=100, network_epochs=10.0, seconds=60.0),
        Begin(3, 40, totals, earlier=5.0),
        split_of(192, 1),
        split_of(90, 2),
        seed=4,
        workers=2,
    )
    assert (setting.number, setting.seed, setting.workers) == (3, 4, 2)
    assert setting.limits == (60.0, 18.0, 45.0)  # 6 network epochs of 3 steps


def test_velocities_of_another_optimizer_are_dropped() -> None:
    network = base_network()
    moving = network._replace(v={name: torch.ones_like(t) for name, t in network.v.items()})
    same, other = (entering(moving, name, Search()) for name in ("heavy_ball", "muon"))
    assert same is moving
    assert other.v and not any(np.any(t.numpy()) for t in other.v.values())
