"""Rules around the flow: downhill, the stop rule, scales, averages. Its laws: test_theory.py."""

from __future__ import annotations

import numpy as np
import pytest

from nasflow.particles import flow, scaling
from nasflow.particles.average import Average


def test_particles_move_to_lower_energy_only() -> None:
    E = np.array([0.0, 1.0, -1.0])
    Q = flow.first_order_rates(E, flow.graph(np.ones(2), 1.0))
    assert Q[0, 2] == 1.0
    assert Q[1, 2] == 2.0
    assert Q[1, 0] == 1.0
    assert Q[0, 1] == Q[2, 0] == Q[2, 1] == 0.0


def test_star_joins_children_with_the_parent_only() -> None:
    star = flow.graph(np.ones(3), 0.0)
    assert (star == star.T).all()
    assert star[0, 1:].all()
    assert not star[1:, 1:].any()


def test_the_stop_rule_wants_twice_the_parents_particles() -> None:
    assert flow.winner(np.array([100, 199, 5])) is None
    assert flow.winner(np.array([100, 5, 200])) == 2
    assert flow.winner(np.array([0, 1, 1])) == 1


@pytest.mark.parametrize("lead", [0.8, 1.25])
def test_auto_scaling_ends_a_round_at_the_leads_it_names(lead: float) -> None:
    """A child ahead by `lead` x confidence standard errors, the others tied: ends only above 1."""
    confidence, error, m = 2.0, 0.01, 9
    scale = scaling.auto(
        m=m,
        degree=m - 1,
        particles=10**6,
        kind="power",
        beta=1.0,
        confidence=confidence,
        min_lead=0.0,
        mobility=0.5,
    )
    loss = np.full(m, 1.0)
    loss[3] -= lead * confidence * error
    rng, n = np.random.default_rng(0), flow.init(10**6, m - 1)
    ended = False
    for _ in range(3000):
        w, kappa_tau = scale(loss, np.full(m, error), 0.05)
        E = flow.energy(n / n.sum(), loss, kind="power", beta=1.0, weight=w)
        n, _ = flow.move(
            rng, n, flow.first_order_rates(E, flow.graph(np.ones(m - 1), 1.0)), kappa_tau
        )
        ended = ended or flow.winner(n) == 3
    assert ended == (lead > 1)


def test_a_child_that_is_all_but_the_same_network_does_not_win_by_nothing() -> None:
    m = 9
    kinds = {"m": m, "degree": m - 1, "particles": 10**6, "kind": "power", "beta": 1.0}
    loss = np.full(m, 1.0)
    loss[3] -= 0.0005  # fifty standard errors
    ends = {}
    for least in (0.0, 0.003):
        scale = scaling.auto(confidence=2.0, min_lead=least, mobility=0.5, **kinds)
        rng, n = np.random.default_rng(0), flow.init(10**6, m - 1)
        for _ in range(500):
            w, kappa_tau = scale(loss, np.full(m, 1e-5), 0.05)
            E = flow.energy(n / n.sum(), loss, kind="power", beta=1.0, weight=w)
            Q = flow.first_order_rates(E, flow.graph(np.ones(m - 1), 1.0))
            n, _ = flow.move(rng, n, Q, kappa_tau)
        ends[least] = flow.winner(n)
    assert ends == {0.0: 3, 0.003: None}


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
    """A child 1 nat behind for 20 steps and 0.1 ahead then: the mean of all steps still has it
    behind after 80, the one that begins anew knows at once, and so does its error."""
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
