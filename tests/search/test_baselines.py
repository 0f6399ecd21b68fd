"""What each baseline promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from quick import STEPS, base_network, round_of, setting_of
from still import setting

from nasflow.config.kinds import BASELINES, Algorithm, Template
from nasflow.search import baselines, neighbourhood
from nasflow.search.budget import Limits
from nasflow.search.children import propose, starts
from nasflow.search.recipe import ROUNDS
from nasflow.search.round import Round
from nasflow.search.rung import Rung, ranked
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.tables import ARCHITECTURES, PARTICLES
from nasflow.training import optim
from nasflow.training.batches import Batches, Split
from nasflow.training.schedule import cosine
from nasflow.training.siblings import Siblings

Poison = Callable[..., None]


@pytest.mark.parametrize("algorithm", sorted(BASELINES))
def test_a_baseline_scores_the_networks_that_have_not_dropped_out(
    folder: Path, poison: Poison, algorithm: str
) -> None:
    def round_() -> Round:
        parent = read_checkpoint(folder / "pretrain/network").network
        return ROUNDS[algorithm](parent, 0, setting(folder), lambda *_: None)

    first = round_()
    victim = 0 if algorithm == "random" else first.winner
    poison(victim, at=2, among=1 if algorithm == "random" else 5)
    found = round_()
    died = [row["node"] for row in found.architectures if row["died_at"] == 2]
    if algorithm == "random":
        assert (found.reason, found.winner, died) == ("diverged", 0, [1])
        return
    assert died == [victim] and found.winner != victim and np.isfinite(found.validation_loss)
    others = [r["train_loss"] for r in first.particles if r["node"] not in died]
    if algorithm != "halving":
        assert others
        assert others == [r["train_loss"] for r in found.particles if r["node"] not in died]


def _scored(found: Round) -> dict[int, float]:
    rows = found.architectures
    return {r["node"]: r["validation_accuracy"] for r in rows if r["validation_loss"] is not None}


@pytest.mark.parametrize("algorithm", ["nash", "nasgraph"])
def test_nash_picks_the_most_accurate_of_its_children_and_the_parent(algorithm: str) -> None:
    for seed in range(4):
        found = round_of(algorithm, setting_of(seed))
        scores = _scored(found)
        assert len(scores) == 8
        assert scores[found.winner] == max(scores.values()) == found.validation_accuracy
        best = [r for r in found.architectures if scores[r["node"]] == max(scores.values())]
        assert found.validation_loss == min(row["validation_loss"] for row in best)
        assert found.reason == ("recentred" if found.winner else "kept")


def test_each_network_of_nash_trains_alone_by_a_cosine_of_its_round() -> None:
    """Its siblings change nothing: the winner is what a plain loop makes of that child."""
    setting, k = setting_of(3), 30
    found = round_of("nash", setting, k)
    search = setting.search
    options = setting._replace(search=search.model_copy(update={"n_neigh": 7}))
    start = starts(base_network(), propose(base_network(), k, options), options)[found.winner]
    batches = Batches(setting.train, 64, "train", (3,), shift=setting.augment.shift)
    update = optim.heavy_ball(friction=1.0, weight_decay=0.0)
    start = start._replace(v={n: t * 0 for n, t in start.v.items()})
    with Siblings([start], update) as live:
        for j in range(STEPS):
            live.step([batches(k + j)], None, cosine(j, STEPS, 0.05, 0.0))
        alone = live.network(0)
    assert all(torch.equal(alone.x[n], t) for n, t in found.network.x.items())
    assert (found.steps, found.k, found.network_steps) == (STEPS, k + STEPS, 8 * STEPS)


def test_random_draws_uniformly_and_trains_that_child_alone() -> None:
    draws = Counter(baselines.drawn(7, seed, round) for seed in range(70) for round in range(100))
    expected = 7000 / 7
    chi = sum((draws[i] - expected) ** 2 / expected for i in range(7))
    assert chi < 22.5  # 0.999 of chi^2 with 6 degrees of freedom
    found = round_of("random", setting_of(5))
    assert {row["node"] for row in found.particles} == {1}
    assert (found.network_steps, found.winner, found.reason) == (STEPS, 1, "recentred")


def test_randoms_draw_is_blind_to_all_losses() -> None:
    """Other labels, other losses, the same child."""
    setting = setting_of(5)
    other = setting._replace(train=_relabelled(setting.train))
    a, b = round_of("random", setting), round_of("random", other)
    assert a.validation_loss != b.validation_loss
    assert a.network.architecture == b.network.architecture


def _relabelled(split: Split) -> Split:
    return Split(split.images, split.labels.flip(0), split.mean, split.std)


@given(st.integers(2, 200), st.integers(2, 5))
def test_rungs_end_with_one_and_keep_one_in_eta(networks: int, eta: int) -> None:
    sizes = [*baselines.rungs(networks, eta), 1]
    assert sizes[0] == networks
    assert all(b == max(1, a // eta) for a, b in pairwise(sizes))


def test_halving_keeps_the_best_half_of_every_rung(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Rung] = []
    train = baselines.train_rung

    def spy(*arguments: Any, **options: Any) -> Rung:
        seen.append(train(*arguments, **options))
        return seen[-1]

    monkeypatch.setattr(baselines, "train_rung", spy)
    found = round_of("halving", setting_of(1))
    assert [len(rung.scores) for rung in seen] == [8, 4, 2]
    for before, after in pairwise(seen):
        out = set(before.scores) - set(after.scores)
        worst = min(before.scores[node][1] for node in after.scores)
        assert out
        assert all(before.scores[node][1] <= worst for node in out)
    assert found.winner == ranked(seen[-1].scores)[0]
    assert seen[2].steps == 2 * seen[1].steps == 4 * seen[0].steps
    assert found.network_steps == pytest.approx(8 * STEPS, rel=0.05)  # NASH's price
    rows = Counter(row["node"] for row in found.particles)
    assert max(rows.values()) == found.steps == rows[found.winner]


def test_nasgraph_without_ageing_is_nash() -> None:
    nash, flat = (round_of(a, setting_of(2, ageing=1e6)) for a in ("nash", "nasgraph"))
    aged = round_of("nasgraph", setting_of(2, ageing=0.5))
    assert nash.architectures == flat.architectures
    assert nash.particles != aged.particles


@pytest.mark.parametrize("algorithm", BASELINES)
@pytest.mark.parametrize("left", [1.0, 20.0, 37.0])
def test_a_round_keeps_to_the_epochs_that_are_left(algorithm: str, left: float) -> None:
    found = round_of(algorithm, setting_of(0, limits=Limits(network_steps=left)))
    assert found.network_steps <= max(left + 4, 14)  # a step of every network at least
    assert sum(1 for _ in found.particles) == found.network_steps
    late = round_of(algorithm, setting_of(0, limits=Limits(seconds=0.0)))
    assert late.steps == 1


@pytest.mark.parametrize("algorithm", BASELINES)
def test_records_have_the_columns_of_every_search(algorithm: str) -> None:
    found = round_of(algorithm, setting_of(4))
    assert set(found.particles[0]) == set(PARTICLES.names)
    assert set(found.architectures[0]) == set(ARCHITECTURES.names)
    assert [row["winner"] for row in found.architectures].index(True) == found.winner
    child = found.architectures[found.winner]
    assert child["fingerprint"] == found.network.architecture.fingerprint


@pytest.mark.parametrize("algorithm", BASELINES)
def test_where_no_child_is_legal_the_parent_stays(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbourhood, "PATIENCE", 20)  # draws in vain; 200 take twelve seconds
    found = round_of(algorithm, setting_of(constraints={"max_parameters": 1}))
    assert (found.reason, found.steps, found.winner) == ("exhausted", 0, 0)
    assert len(found.architectures) == 1


@pytest.mark.parametrize("algorithm", sorted(ROUNDS))
def test_a_round_repeats_bit_for_bit(algorithm: str) -> None:
    """The same arguments give the same rows and the same weights."""
    setting = setting_of(6, max_steps=8, warmup_steps=2)._replace(algorithm=Algorithm(algorithm))
    if algorithm == "race":
        setting = setting._replace(portfolio=(Template.CHAIN6, Template.CHAIN7))
    one, two = (round_of(algorithm, setting) for _ in range(2))
    assert len(one.particles) > 5 or algorithm == "most_flops"
    assert repr(one.particles) == repr(two.particles)  # NaN is equal to NaN here
    assert one.architectures == two.architectures
    for part in ("x", "v", "buffers"):
        first, second = getattr(one.network, part), getattr(two.network, part)
        assert first.keys() == second.keys()
        assert all(torch.equal(t, second[name]) for name, t in first.items())


def test_where_all_networks_diverge_the_parent_stays() -> None:
    setting = setting_of(lambda_start=10.0, lambda_final=10.0, friction=100.0, epochs_neigh=20.0)
    found = round_of("nash", setting)
    assert (found.reason, found.winner) == ("diverged", 0)
    assert len(found.architectures) == 8
    assert all(row["died_at"] for row in found.architectures)
    x = base_network().x
    assert all(torch.equal(t, x[name]) for name, t in found.network.x.items())


def test_most_flops_takes_the_dearest_child_untrained() -> None:
    for seed in range(4):
        setting = setting_of(seed)
        found = round_of("most_flops", setting, k=11)
        children = [child.network for child in propose(base_network(), 11, setting)]
        flops = [network.architecture.flops for network in children]
        taken = children[int(np.argmax(flops))]
        assert (found.steps, found.network_steps, found.k, found.particles) == (0, 0, 11, [])
        assert (found.reason, found.winner) == ("recentred", 1)
        assert found.network.architecture == taken.architecture
        assert all(torch.equal(found.network.x[name], t) for name, t in taken.x.items())
        assert [row["flops"] for row in found.architectures][1:] == [max(flops)]
        assert np.isfinite(found.validation_loss) and 0.0 <= found.validation_accuracy <= 1.0


def test_most_flops_is_exhausted_where_no_child_is_legal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbourhood, "PATIENCE", 20)
    found = round_of("most_flops", setting_of(constraints={"max_parameters": 1}))
    assert (found.reason, found.winner, len(found.architectures)) == ("exhausted", 0, 1)
