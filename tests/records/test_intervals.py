"""Intervals from few seeds cover the truth as often as they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats  # noqa: F401  the module loads it late; hypothesis counts the seconds
from hypothesis import given
from hypothesis import strategies as st

from nasflow.randomness import generator
from nasflow.records.intervals import (
    Interval,
    mean_sd,
    other_images,
    paired_bootstrap,
    relative_improvement,
    same_images,
    student_reach,
    wilson,
)

errors = st.lists(st.floats(0.0, 100.0), min_size=2, max_size=12).map(np.array)


def _interval(a: Any, b: Any, resamples: int = 400) -> Interval:
    rng = generator("test", 0)
    return paired_bootstrap(a, b, resamples=resamples, level=0.95, rng=rng)


@given(errors)
def test_the_interval_lies_within_the_differences_and_holds_a_constant_one(a: Any) -> None:
    b = a[::-1]
    found = _interval(a, b)
    assert (a - b).min() - 1e-9 <= found.low <= found.high <= (a - b).max() + 1e-9
    assert found.estimate == pytest.approx(np.mean(a - b), abs=1e-9)
    assert _interval(a, a - 2.0) == pytest.approx((2.0, 2.0, 2.0), abs=1e-9)


@given(errors, st.integers(0, 99))
def test_what_a_seed_does_to_both_methods_cancels(a: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    b, luck = a + rng.standard_normal(len(a)), 50.0 * rng.standard_normal(len(a))
    assert _interval(a + luck, b + luck) == pytest.approx(_interval(a, b), abs=1e-6)


def test_the_same_seeds_give_the_same_interval() -> None:
    a, b = np.arange(5.0), np.array([1.0, 0.0, 3.0, 2.0, 9.0])
    assert _interval(a, b) == _interval(a, b)


@pytest.mark.parametrize(("seeds", "coverage"), [(3, 0.75), (5, 0.84), (10, 0.90), (20, 0.93)])
def test_coverage_is_what_the_docstring_says(seeds: int, coverage: float) -> None:
    """2,000 data sets with a true difference of 1; three standard errors of the count are 0.03."""
    rng = np.random.default_rng(seeds)
    held = 0
    for i in range(2000):
        a = rng.standard_normal(seeds) + 1.0
        found = paired_bootstrap(
            a, np.zeros(seeds), resamples=600, level=0.95, rng=generator("coverage", i)
        )
        held += found.low <= 1.0 <= found.high
    assert held / 2000 == pytest.approx(coverage, abs=0.03)


@pytest.mark.parametrize("seeds", [3, 5])
def test_students_interval_holds_what_it_says_for_few_seeds_too(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    held = 0
    for _ in range(2000):
        a = rng.standard_normal(seeds) + 1.0
        held += abs(a.mean() - 1.0) <= student_reach(a, np.zeros(seeds), level=0.95)
    assert held / 2000 == pytest.approx(0.95, abs=0.015)
    assert np.isnan(student_reach(np.ones(1), np.zeros(1), level=0.95))


def test_mean_sd_and_improvement() -> None:
    assert mean_sd(np.array([1.0, 3.0])) == (2.0, pytest.approx(np.sqrt(2.0)))
    assert np.isnan(mean_sd(np.array([1.0]))[1])
    assert relative_improvement(0.9, 0.8) == pytest.approx(12.5)
    assert relative_improvement(0.8, 0.8) == 0.0


def test_the_wilson_interval_holds_the_true_fraction_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for share in (0.5, 0.9, 0.99):
        found = (wilson(int(right), 359) for right in rng.binomial(359, share, 4000))
        held = np.mean([low <= share <= high for _, low, high in found])
        assert 0.93 < held < 0.985
    assert wilson(10, 10).high == pytest.approx(1.0) and 0.6 < wilson(10, 10).low < 1.0


def test_a_difference_of_two_networks_is_covered_as_often_as_the_interval_says() -> None:
    """Two networks that are right on mostly the same images; the interval that knows less is wider,
    save where the networks happen to differ on many images."""
    rng = generator("test", 1)
    held = wider = 0
    for _ in range(400):
        a, b = rng.multinomial(200, (0.05, 0.02, 0.90, 0.03))[:2].tolist()
        found = same_images(a, b, 200)
        loose = other_images(180 + a, 180 + b, 200)
        held += found.low <= 0.03 <= found.high
        wider += loose.high - loose.low > found.high - found.low
        assert found.estimate == pytest.approx(loose.estimate)
    assert 0.92 <= held / 400 <= 0.99 and wider >= 380
    assert same_images(0, 0, 359).high == pytest.approx(-same_images(0, 0, 359).low)
