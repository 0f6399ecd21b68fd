"""Every search counts its queries and uses nothing that it has not queried."""

from __future__ import annotations

import pytest
from landscapes import PARTICLES, SEARCHES

from nasflow.studies.table import Landscape, explore


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_trains_exactly_its_budget_and_never_one_architecture_twice(
    name: str, rugged: Landscape[str]
) -> None:
    trained: list[str] = []

    def losses(word: str) -> list[float]:
        trained.append(word)
        return list(rugged.losses(word))

    watched = Landscape(rugged.architectures, rugged.neighbours, losses)
    found = explore(SEARCHES[name], watched, 60, seed=1)
    assert len(trained) == len(set(trained)) == len(found.seen) == len(found.incumbents) == 60


@pytest.mark.parametrize("name", SEARCHES)
def test_incumbents_were_queried_before_and_their_loss_never_rises(
    name: str, rugged: Landscape[str]
) -> None:
    found = explore(SEARCHES[name], rugged, 80, seed=2)
    order = list(found.seen)
    for count, incumbent in enumerate(found.incumbents, start=1):
        assert incumbent in order[:count]
        assert found.seen[incumbent] == min(found.seen[a] for a in order[:count])


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_repeats_and_a_larger_budget_only_adds(name: str, rugged: Landscape[str]) -> None:
    short, long = (explore(SEARCHES[name], rugged, budget, seed=3) for budget in (40, 90))
    assert list(short.seen.items()) == list(long.seen.items())[:40]


@pytest.mark.parametrize("name", ["random", *PARTICLES])
def test_a_budget_of_the_whole_table_sees_it_all(name: str, rugged: Landscape[str]) -> None:
    found = explore(SEARCHES[name], rugged, 10_000, seed=4)
    assert set(found.seen) == set(rugged.architectures)
    assert found.incumbents[-1] == min(found.seen, key=found.seen.__getitem__)
