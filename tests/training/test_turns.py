"""Turns: how many steps each sibling makes, with which batches, and what is kept of them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from cases import network
from hypothesis import given
from hypothesis import strategies as st

from nasflow.config.kinds import Equal
from nasflow.training import optim
from nasflow.training.batches import Batches
from nasflow.training.loop import _turn
from nasflow.training.siblings import Siblings
from nasflow.training.turns import IGNORED, MEASURED, MOST, Turns, turns_of

costs_of = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=6).map(np.array)


def made_in(turns: Turns, count: int) -> np.ndarray:
    """The steps of each sibling in each of so many turns, (count, m)."""
    return np.array([turns.next() for _ in range(count)])


@given(costs_of, st.integers(1, 60))
def test_every_sibling_makes_a_step_in_each_turn_and_none_more_than_most(
    costs: np.ndarray, count: int
) -> None:
    turns = Turns(len(costs), costs)
    dues = made_in(turns, count)
    assert dues.min() >= 1 and dues.max() <= MOST
    assert (dues[:, costs.argmax()] == 1).all(), "the dearest makes one step at a time"
    np.testing.assert_array_equal(turns.made, dues.sum(0))


@given(costs_of, st.integers(1, 60))
def test_all_siblings_have_had_equal_costs_up_to_one_step(costs: np.ndarray, count: int) -> None:
    turns, dearest = Turns(len(costs), costs), costs.max()
    for _ in range(count):
        turns.next()
        counted = np.maximum(costs, dearest / MOST)  # a cheaper sibling gets less than its part
        behind = turns.made.max(where=costs == dearest, initial=0) * dearest - turns.made * counted
        assert (behind >= -1e-6 * dearest).all() and (behind < counted * (1 + 1e-6)).all()


def test_a_third_of_the_costs_means_three_steps() -> None:
    turns = Turns(3, np.array([3.0, 1.0, 2.0]))
    assert made_in(turns, 4).tolist() == [[1, 3, 1], [1, 3, 2], [1, 3, 1], [1, 3, 2]]
    assert turns.made.tolist() == [4, 12, 6]


class Recorded:
    """Stands for the siblings and for their batches: tells which batch each step had."""

    def __init__(self, m: int, streams: int) -> None:
        self.seen: list[list[Any]] = [[] for _ in range(m)]
        self.streams = cast(list[Batches], [lambda k, i=i: (i, k) for i in range(streams)])

    def step(self, batches: list[Any], validation: None, tau: float, only: np.ndarray) -> None:
        for i in np.flatnonzero(only):
            self.seen[i].append(batches[i])


@given(costs_of, st.integers(1, 8), st.integers(0, 99), st.booleans())
def test_the_nth_step_of_each_sibling_has_the_nth_batch(
    costs: np.ndarray, count: int, first: int, paired: bool
) -> None:
    m, turns = len(costs), Turns(len(costs), costs)
    live = Recorded(m, 1 if paired else m)
    for _ in range(count):
        last = _turn(cast(Siblings, live), live.streams, 0.1, first, turns)
        live.step(last, None, 0.1, np.ones(m, dtype=bool))
    for i, seen in enumerate(live.seen):
        stream = 0 if paired else i
        assert seen == [(stream, first + n) for n in range(turns.made[i])]


@given(costs_of, st.integers(0, 20), st.integers(1, 20))
def test_turns_go_on_from_their_state_exactly(costs: np.ndarray, before: int, after: int) -> None:
    turns = Turns(len(costs), costs)
    made_in(turns, before)
    state = {name: array.copy() for name, array in turns.state().items()}
    expected = made_in(turns, after)
    again = Turns(len(costs), costs)
    again.restore(state)
    np.testing.assert_array_equal(made_in(again, after), expected)
    np.testing.assert_array_equal(again.made, turns.made)


class Clock:
    """Seconds of siblings, which grow by their costs with each step that is told."""

    def __init__(self, *costs: float) -> None:
        self.costs, self.passed, self.asked = np.array(costs), np.zeros(len(costs)), 0

    def __call__(self) -> np.ndarray:
        self.asked += 1
        return self.passed.copy()

    def run(self, turns: Turns, count: int) -> list[list[int]]:
        dues = []
        for _ in range(count):
            dues.append(turns.next().tolist())
            self.passed += self.costs * dues[-1]
        return dues


def test_seconds_are_measured_once_and_then_decide() -> None:
    clock = Clock(2.0, 0.5)
    clock.passed += [0.0, 50.0]  # a first step that compiles is not counted
    turns = Turns(2, None, clock)
    assert clock.run(turns, IGNORED + MEASURED) == [[1, 1]] * (IGNORED + MEASURED)
    clock.costs = np.array([1.0, 1.0])  # what changes later is not seen
    assert clock.run(turns, 5) == [[1, 4]] * 5
    assert clock.asked == 2
    assert turns.made.tolist() == [15, 10 + 20]


@pytest.mark.parametrize("stopped", [1, IGNORED, IGNORED + 1, IGNORED + MEASURED, 14])
def test_seconds_of_an_earlier_attempt_are_measured_anew_or_kept(stopped: int) -> None:
    clock = Clock(2.0, 0.5)
    turns = Turns(2, None, clock)
    clock.run(turns, stopped)
    later = Clock(2.0, 0.5)  # the clock of the next attempt starts at zero
    again = Turns(2, None, later)
    again.restore(turns.state())
    dues = later.run(again, IGNORED + MEASURED + 3)
    assert dues[-1] == [1, 4]
    ones = dues.index([1, 4])
    measured = stopped > IGNORED + MEASURED
    assert ones == (0 if measured else IGNORED + MEASURED - min(stopped, IGNORED))
    assert later.asked == (0 if measured else 2)


def test_a_configuration_says_what_siblings_get_alike() -> None:
    family = [network(0, 0), network(0, 3)]
    with Siblings(family, optim.no_update) as live:
        assert turns_of(live, family, Equal.STEPS) is None
        by_flops = turns_of(live, family, Equal.FLOPS)
        by_seconds = turns_of(live, family, Equal.SECONDS)
    assert by_flops and by_seconds
    flops = np.array([float(n.architecture.flops) for n in family])
    assert flops[0] != flops[1]
    np.testing.assert_array_equal(by_flops.state()["costs"], flops)
    assert not len(by_seconds.state()["costs"]), "nothing is measured yet"
