"""The forecast of a portfolio: exact for powers of the steps, and honest about its error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasflow.search import forecast as module
from nasflow.search.forecast import FEWEST, LARGEST, SPREAD, forecast

EXPONENTS = st.lists(st.floats(0.05, 0.8), min_size=2, max_size=5)


def powers(exponents: list[float], factors: list[float], steps: int) -> np.ndarray:
    """Return losses a_i n^-b_i of all steps, (n, m)."""
    n = np.arange(1, steps + 1)[:, None]
    return np.array(factors) * n ** -np.array(exponents)


@given(EXPONENTS, st.integers(60, 500), st.sampled_from([1.0, 2.0, 4.0]), st.data())
def test_losses_that_fall_like_powers_are_predicted(
    exponents: list[float], steps: int, factor: float, data: st.DataObject
) -> None:
    factors = [data.draw(st.floats(0.5, 2.0)) for _ in exponents]
    found = forecast(powers(exponents, factors, steps), factor)
    at = powers(exponents, factors, round(factor * steps))[-1]
    assert found is not None
    np.testing.assert_allclose(found.ratio, np.minimum(np.log(at / at[0]), LARGEST), atol=0.01)
    assert found.ratio[0] == found.error[0] == 0.0
    assert (found.error < 0.01).all()


def test_a_network_that_catches_up_is_predicted_ahead_before_it_is() -> None:
    """The second curve crosses the first one after 128 steps."""
    losses = powers([0.3, 0.5], [1.0, 128**0.2], 80)
    assert losses[-1, 1] > losses[-1, 0]
    near, far = forecast(losses, 1.0), forecast(losses, 4.0)
    assert near is not None and far is not None
    assert near.ratio[1] > 0.0 > far.ratio[1]


def test_the_error_is_that_of_the_forecast() -> None:
    """Of 400 forecasts of noisy losses, most lie as far off as their errors say."""
    rng, off = np.random.default_rng(0), []
    for _ in range(400):
        common, own = rng.normal(size=(100, 1)), rng.normal(size=(100, 2))
        losses = powers([0.3, 0.4], [1.0, 1.5], 100) * np.exp(0.3 * common + 0.05 * own)
        found = forecast(losses, 2.0)
        assert found is not None
        true = powers([0.3, 0.4], [1.0, 1.5], 200)[-1]
        off.append((found.ratio[1] - np.log(true[1] / true[0])) / found.error[1])
    # Student's distribution with six degrees of freedom has the deviation 1.22
    assert abs(np.mean(off)) < 0.3 and 0.9 < np.std(off) < 1.6


# Losses of steps 9 to 36 of chain7 and resnet20, as a round on 1,815 photographs had them.
CHAIN = """1.42 1.37 1.45 1.38 1.27 1.29 1.24 1.15 1.16 1.21 1.16 1.14 1.16 1.04
    1.12 1.07 0.88 1.02 1.02 1.00 0.95 0.99 0.91 0.88 0.96 1.06 0.90 1.04"""
RESIDUAL = """4.25 3.64 3.60 3.37 2.55 2.18 2.26 1.85 1.90 1.81 1.56 1.58 1.61 1.45
    1.60 1.66 1.54 1.50 1.46 1.47 1.38 1.43 1.41 1.38 1.43 1.46 1.32 1.42"""


def misses() -> np.ndarray:
    """Return by how much 1,000 forecasts of noisy losses miss, with slopes drawn from the prior.

    Returns:
        Nats, and multiples of the standard error that is told, (1000, 2).
    """
    rng, n, found = np.random.default_rng(1), np.arange(1, 41), []
    for _ in range(1000):
        slope = rng.normal(scale=SPREAD)
        factors = np.exp(0.5 * rng.normal(size=40) - 0.5**2 / 2)
        told = forecast(np.stack([np.ones(40), n**slope * factors], 1), 2.0)
        assert told is not None
        wrong = told.ratio[1] - slope * np.log(80)
        found.append((wrong, wrong / told.error[1]))
    return np.array(found)


def test_a_slope_that_is_known_badly_counts_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forecasts are less wrong than those of a free line, and their errors still honest."""
    wrong, multiples = misses().T
    monkeypatch.setattr(module, "SPREAD", 1e6)  # as good as free
    free = misses()[:, 0]
    assert np.std(wrong) < 0.75 * np.std(free)
    assert 0.9 < np.std(multiples) < 1.4


def test_a_network_that_returns_from_a_bad_start_is_not_predicted_ahead() -> None:
    """A free line goes on as steeply as the losses fell, and predicts that they will lead."""
    late = np.array([[float(x) for x in text.split()] for text in (CHAIN, RESIDUAL)]).T
    found = forecast(np.vstack([np.full((8, 2), [1.9, 4.5]), late]), 2.0)
    assert found is not None and found.ratio[1] > found.error[1] > 0.0


@pytest.mark.parametrize("steps", [1, FEWEST - 1])
def test_too_few_steps_predict_nothing(steps: int) -> None:
    assert forecast(np.ones((steps, 3)), 2.0) is None


def test_losses_of_zero_are_no_fault() -> None:
    losses = np.ones((40, 3))
    losses[:, 1], losses[10:, 2] = 0.0, 0.0
    found = forecast(losses, 16.0)
    assert found is not None and np.isfinite(found.ratio).all() and np.isfinite(found.error).all()
    assert found.ratio.max() <= LARGEST
    flat = forecast(np.ones((FEWEST, 3)), 16.0)
    assert flat is not None and not flat.ratio.any() and not flat.error.any()
