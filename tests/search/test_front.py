"""The networks of a front lie evenly between the smallest and the largest, with the found one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from nasflow.search.front import SMALL, on_front, shares, spread

RNG = np.random.default_rng(0)


def lists(count: int) -> list[list[float]]:
    return [sorted(10.0 ** RNG.uniform(3, 8, int(RNG.integers(1, 12)))) for _ in range(count)]


def gaps(flops: list[float], chosen: tuple[int, ...]) -> float:
    place = [math.log(flops[one]) for one in chosen]
    return sum((b - a) ** 2 for a, b in itertools.pairwise(place))


def test_the_found_the_smallest_and_the_largest_network_are_always_chosen() -> None:
    for flops in lists(60):
        for count in range(1, len(flops) + 2):
            found = int(RNG.integers(len(flops)))
            least = int(RNG.integers(len(flops)))
            chosen = spread(flops, found, count, least)
            assert chosen == sorted(set(chosen)) and len(chosen) == min(count, len(flops))
            assert found in chosen
            if count > 2:
                assert {0, len(flops) - 1} <= set(chosen)
            assert least in chosen or count < 4


def test_no_other_choice_is_spread_more_evenly() -> None:
    for flops in lists(40):
        last, found = len(flops) - 1, int(RNG.integers(len(flops)))
        for count in range(3, len(flops)):
            others = itertools.combinations(range(len(flops)), count)
            least = min(gaps(flops, one) for one in others if {0, found, last} <= set(one))
            assert gaps(flops, tuple(spread(flops, found, count))) == pytest.approx(least)


def test_equal_steps_on_a_logarithmic_scale_are_found() -> None:
    flops = [2.0**power for power in range(13)]
    assert spread(flops, 12, 4) == [0, 4, 8, 12]
    assert spread(flops, 6, 5) == [0, 3, 6, 9, 12]
    assert spread([1.0, 2.0, 2.0, 4.0], 3, 3) == [0, 1, 3], "of equal ones the first"


def test_beside_the_found_network_the_one_further_away_is_chosen() -> None:
    assert spread([1.0, 100.0, 200.0], 1, 2) == [0, 1]
    assert spread([1.0, 2.0, 200.0], 1, 2) == [1, 2]
    assert spread([1.0, 2.0, 200.0], 2, 2) == [0, 2]
    assert spread([1.0, 2.0, 200.0], 0, 2) == [0, 2]


@pytest.mark.parametrize("length", ["epochs", "flops", "total_epochs", "total_seconds"])
def test_shares_add_up_to_one_and_follow_the_rule_of_the_length(length: str) -> None:
    for flops in lists(20):
        found = shares(flops, length)
        assert math.fsum(found) == pytest.approx(1.0) and len(found) == len(flops)
        cost = [max(number, SMALL * flops[-1]) for number in flops]
        passes = [share / one for share, one in zip(found, cost, strict=True)]
        equal = found if length in ("flops", "total_epochs") else passes
        assert equal == pytest.approx([equal[0]] * len(flops))


def test_a_network_is_on_the_front_unless_another_one_beats_it() -> None:
    accuracies = [0.5, 0.7, 0.6, 0.7, 0.9, None]
    costs = [1.0, 2.0, 3.0, 2.0, 9.0, 0.5]
    assert on_front(accuracies, costs) == [True, True, False, True, True, False]
    assert on_front([0.5, 0.9], [None, 2.0]) == [False, True]
    assert on_front([0.5, 0.5], [1.0, 2.0]) == [True, False]


def test_the_front_is_never_empty_and_its_networks_do_not_beat_one_another() -> None:
    for _ in range(50):
        count = int(RNG.integers(1, 8))
        accuracies, costs = (list(RNG.integers(0, 5, count) / 5) for _ in range(2))
        chosen = on_front(accuracies, costs)
        kept = [pair for pair, on in zip(zip(costs, accuracies), chosen, strict=True) if on]  # noqa: B905
        assert kept
        best = {cost: accuracy for cost, accuracy in sorted(kept)}
        assert list(best.values()) == sorted(set(best.values()))
        assert max(accuracies) == max(best.values())
