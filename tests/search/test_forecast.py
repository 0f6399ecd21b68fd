"""The forecast of a portfolio: exact for powers of the steps, and honest about its error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasflow.search.forecast import FEWEST, LARGEST, forecast

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
