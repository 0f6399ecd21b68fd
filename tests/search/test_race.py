"""The race: the better half of the networks of a portfolio goes on from rung to rung."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import portfolios
import pytest
import torch
from portfolios import names_of, parent

from nasflow.config.kinds import Algorithm, Template
from nasflow.search import race as module
from nasflow.search.budget import Limits
from nasflow.search.race import race
from nasflow.search.round import Round, Setting
from nasflow.search.rung import Rung
from nasflow.storage.tables import ARCHITECTURES, PARTICLES
from nasflow.training.turns import Turns


def setting(**own: Any) -> Setting:
    return portfolios.setting(Algorithm.RACE, **{"max_steps": 12, "lambda_start": 0.05, **own})


def raced(given: Setting, k: int = 0) -> Round:
    return race(parent(given), k, given, lambda *_: None)


def test_the_better_half_by_loss_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Rung] = []
    train = module.train_rung

    def spy(*arguments: Any, **options: Any) -> Rung:
        seen.append(train(*arguments, **options))
        return seen[-1]

    monkeypatch.setattr(module, "train_rung", spy)
    given = setting()
    found = raced(given, k=5)
    assert sorted(seen[0].scores) == [0, 1, 2, 3]
    assert [len(rung.scores) for rung in seen] == [4, 2]
    for before, after in pairwise(seen):
        worst = max(before.scores[node].loss for node in after.scores)
        out = set(before.scores) - set(after.scores)
        assert all(before.scores[node].loss >= worst for node in out)
    best = min(seen[-1].scores, key=lambda node: seen[-1].scores[node].loss)
    assert found.winner == best
    assert found.validation_loss == seen[-1].scores[best].loss
    assert all(torch.equal(t, seen[-1].networks[best].x[n]) for n, t in found.network.x.items())
    assert [rung.steps for rung in seen] == [3, 3]  # half of 12 steps, in two rungs
    assert (found.steps, found.k, found.network_steps) == (6, 11, 4 * 3 + 2 * 3)
    assert {row["tau"] for row in found.particles} == {0.05}, "networks train on afterwards"


def test_records_have_the_columns_of_every_search() -> None:
    given = setting()
    found = raced(given)
    assert set(found.particles[0]) == set(PARTICLES.names)
    assert set(found.architectures[0]) == set(ARCHITECTURES.names)
    assert [row["morphism"] for row in found.architectures] == names_of(given)
    assert {row["site"] for row in found.architectures} == {""}
    assert [row["winner"] for row in found.architectures].index(True) == found.winner
    assert found.reason == ("recentred" if found.winner else "kept")
    child = found.architectures[found.winner]
    assert child["fingerprint"] == found.network.architecture.fingerprint
    rows = Counter(row["node"] for row in found.particles)
    assert sorted(rows.values()) == [3, 3, 6, 6]


def test_networks_get_equal_flops_where_the_configuration_says_so() -> None:
    names = (Template.CHAIN7, Template.CHAIN6)
    given = setting(names=names, equal="flops", max_steps=24)
    found = raced(given)
    flops = np.array([float(row["flops"]) for row in found.architectures])
    turns = Turns(2, flops)
    for _ in range(12):
        turns.next()
    assert turns.made.tolist() == [12, 14]  # 5.9 and 4.8 million FLOPs
    assert (found.steps, found.network_steps) == (12, 26)


def test_each_rung_has_its_part_of_the_seconds() -> None:
    late = raced(setting(limits=Limits(seconds=0.0)))
    assert (late.steps, late.network_steps) == (2, 6)
    began = time.monotonic()
    found = raced(setting(limits=Limits(seconds=3.0), part=0.5, max_steps=10**6))
    assert 1.4 < time.monotonic() - began < 3.0
    steps = Counter(row["node"] for row in found.particles)
    assert min(steps.values()) > 1 and np.isfinite(found.validation_loss)


def test_a_network_that_diverges_does_not_win(monkeypatch: pytest.MonkeyPatch) -> None:
    given = setting()
    first = raced(given)
    start = module.portfolio

    def broken(network: Any, own: Setting) -> Any:
        children = start(network, own)
        for child in children if first.winner else ():
            if child is children[first.winner - 1]:
                next(iter(child.network.x.values())).fill_(float("nan"))
        return children

    monkeypatch.setattr(module, "portfolio", broken)
    network = parent(given)
    if not first.winner:
        next(iter(network.x.values())).fill_(float("nan"))
    found = race(network, 0, given, lambda *_: None)
    assert found.winner != first.winner and np.isfinite(found.validation_loss)
    assert found.architectures[first.winner]["died_of"] == "training loss"


@pytest.mark.parametrize(("names", "said"), [((), "empty"), ((Template.CHAIN6,), "chain6")])
def test_one_network_is_no_race(names: tuple[Template, ...], said: str) -> None:
    given = setting(names=names)
    network = parent(setting())
    expected = rf"^base\.portfolio: {said}; race expects two networks or more$"
    with pytest.raises(ValueError, match=expected):
        race(network, 0, given, lambda *_: None)
