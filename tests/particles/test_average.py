"""The running average of a loss is unbiased and knows its own error."""

from __future__ import annotations

import numpy as np
import pytest

from nasflow.particles.average import Average


def test_the_running_average_is_unbiased_and_knows_its_error() -> None:
    rng = np.random.default_rng(3)
    ends, errors = [], []
    for _ in range(400):
        average = Average(2, 50)
        for _ in range(120):
            common = rng.normal(0, 1.0)  # paired noise cancels in the difference
            average.update(np.array([1.0 + common, 1.2 + common + rng.normal(0, 0.1)]))
        ends.append(average.V[1] - average.V[0])
        errors.append(average.standard_error[1])
    assert abs(np.mean(ends) - 0.2) < 0.003
    assert np.mean(errors) == pytest.approx(np.std(ends), rel=0.12)


def test_the_error_knows_the_memory_of_the_differences() -> None:
    """An autoregression of 0.6 has twice the error of white noise of the same spread."""
    rng = np.random.default_rng(4)
    ends, errors = [], []
    for _ in range(300):
        average, residual = Average(2, 100), 0.0
        for _ in range(300):
            residual = 0.6 * residual + rng.normal(0, 0.08)
            average.update(np.array([1.0, 1.0 + residual]))
        ends.append(average.V[1] - average.V[0])
        errors.append(average.standard_error[1])
    assert np.mean(errors) == pytest.approx(np.std(ends), rel=0.15)


def test_what_a_morphism_disturbs_is_gone_after_the_burn_in() -> None:
    """A child is 1 nat behind for 20 steps and 0.1 nats ahead afterwards.

    The mean of all steps still has it behind after 80 steps. The mean that begins anew after the
    burn-in has it ahead at once, and its error is right too.
    """
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 0.05, 80)
    kept, fresh, late = Average(2, 60), Average(2, 60, burn_in=20), Average(2, 60)
    for step in range(80):
        losses = np.array([2.0, (3.0 if step < 20 else 1.9) + noise[step]])
        for average in (kept, fresh) if step < 20 else (kept, fresh, late):
            average.update(losses)
    assert kept.V[1] > kept.V[0] + 0.02
    np.testing.assert_array_equal(fresh.V, late.V)
    np.testing.assert_array_equal(fresh.standard_error, late.standard_error)
    assert fresh.V[1] - fresh.V[0] == pytest.approx(-0.1, abs=4 * fresh.standard_error[1])
    assert kept.standard_error[1] > 5 * fresh.standard_error[1]


def test_the_burn_in_survives_a_snapshot() -> None:
    whole, losses = Average(2, 9, burn_in=6), np.random.default_rng(6).random((12, 2))
    half, other = Average(2, 9, burn_in=6), Average(2, 9, burn_in=6)
    for row in losses:
        whole.update(row)
    for row in losses[:4]:
        half.update(row)
    other.restore(half.state())
    for row in losses[4:]:
        other.update(row)
    np.testing.assert_array_equal(other.V, whole.V)


def test_the_first_value_of_the_average_is_the_first_loss() -> None:
    average = Average(2, 100)
    average.update(np.array([2.0, 3.0]))
    np.testing.assert_allclose(average.V, [2.0, 3.0])


def test_one_step_has_no_error_whatever_rounding_says() -> None:
    rng = np.random.default_rng(7)
    for losses in rng.random((200, 3)):
        average = Average(3, 100)
        average.update(losses)
        assert not average.standard_error.any()
    average.update(losses + rng.random(3))
    assert average.standard_error[1:].all()
