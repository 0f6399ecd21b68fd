"""What decides a round: the stop rule on simulated losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.particles import scaling
from nasflow.studies import simulation
from nasflow.studies.simulation import Outcome, independent, limit, paired, simulate


def _search(**options: Any) -> Search:
    return parse(Search, options, "search")


def _paper(**options: Any) -> Search:
    return _search(scaling="paper", warmup_steps=0, **options)


def _nasagd(friction: float, **options: Any) -> Search:
    return _search(second_order={"friction": friction}, **options)


def _within(o: Outcome, low: float, high: float) -> bool:
    return low - 3 * o.error <= o.right <= high + 3 * o.error


@pytest.mark.parametrize("algorithm", ["nasgd", "nasagd"])
def test_equal_children_win_equally_often(algorithm: str) -> None:
    """Chance is 1 / 8: a rule that favours a node by its place would show here."""
    eager = _nasagd(1.0, confidence=0.1, warmup_steps=5)
    o = simulate(paired(0.0), algorithm, eager, rounds=200)
    assert o.ended > 0.3
    assert _within(o, 1 / 8, 1 / 8)


@pytest.mark.parametrize("grow", [0.0, 100.0])
@pytest.mark.parametrize(("algorithm", "friction"), [("nasgd", 0.0), ("nasagd", 1.0)])
def test_auto_with_paired_batches_finds_a_child_better_by_a_twentieth(
    algorithm: str, friction: float, grow: float
) -> None:
    o = simulate(paired(0.05, grow=grow), algorithm, _nasagd(friction), rounds=100)
    assert o.ended == 1.0
    assert o.right >= 0.95


LONG = {"window": 60, "max_steps": 600, "n_neigh": 5}  # as in cifar10_cpu.yaml
NOISE = paired(0.0, residual=0.06 / math.sqrt(2.0))._replace(memory=0.35)


@pytest.mark.parametrize("algorithm", ["nasgd", "nasagd"])
@pytest.mark.parametrize("options", [{}, {"n_neigh": 3}, LONG, LONG | {"confidence": 2.0}])
def test_chance_ends_at_most_a_fifth_of_the_rounds_without_a_better_child(
    algorithm: str, options: dict[str, Any]
) -> None:
    assert simulate(NOISE, algorithm, _search(**options), rounds=40).ended <= 0.2


def test_without_the_correction_for_repeated_looks_chance_ends_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scaling, "boundary", lambda confidence, **_: confidence)
    for confidence in (1.75, 2.0):
        o = simulate(NOISE, "nasgd", _search(**LONG, confidence=confidence), rounds=40)
        assert o.ended > 0.3


def test_the_papers_rule_with_independent_batches_is_right_in_half_of_the_rounds() -> None:
    o = simulate(independent(0.05), "nasgd", _paper(window=10), rounds=150)
    assert 0.35 < o.right < 0.65


def test_the_papers_rule_with_paired_batches_ends_no_round() -> None:
    """T7: its constants ask for a lead of 0.10 nats."""
    assert simulate(paired(0.05), "nasgd", _paper(), rounds=20).ended == 0.0


def test_more_noise_picks_fewer_right() -> None:
    right = [
        simulate(paired(0.05, residual=r), "nasgd", _search(confidence=1.0), rounds=80).right
        for r in (0.05, 0.3, 0.9)
    ]
    assert right[0] > right[1] > right[2]


def test_no_fixed_length_rule_beats_the_limit_and_the_mean_reaches_it() -> None:
    model, steps, rounds = independent(0.05), 40, 2000
    rng = np.random.default_rng(0)
    means = [simulation.losses(rng, model, 9, steps)[:, 1:].mean(0) for _ in range(rounds)]
    right = np.mean([np.argmin(mean) == 0 for mean in means])
    assert right == pytest.approx(limit(model, 8, steps), abs=4 * np.sqrt(0.25 / rounds))
    assert limit(model._replace(gap=0.0), 8, steps) == pytest.approx(1 / 8, abs=1e-6)


def test_a_sequential_test_needs_fewer_steps_than_one_of_fixed_length() -> None:
    model = independent(0.05)
    steps = simulation.sequential_limit(model, 8, right=0.8, rounds=200, longest=600)
    assert limit(model, 8, int(steps)) < 0.8 < limit(model, 8, 2 * int(steps))


def test_a_burn_in_ends_a_round_sooner_where_the_better_child_begins_behind() -> None:
    """A child is 1 nat behind for 30 steps and 0.1 nats ahead afterwards.

    The mean of all steps needs many more steps to see it.
    """
    rng = np.random.default_rng(7)
    V = 1.0 + 0.02 * rng.standard_normal((300, 4))
    V[:30, 2] += 1.0
    V[30:, 2] -= 0.1
    ends = {
        burn_in: simulation.play(
            np.random.default_rng(0), V, np.full(300, 0.05), "nasgd", _search(burn_in=burn_in)
        )
        for burn_in in (0, 30)
    }
    assert ends[30][0] == 2
    assert ends[30][1] < ends[0][1] - 50
