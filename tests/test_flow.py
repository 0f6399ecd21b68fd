"""Particles: conserved, ghosts stay, moves go downhill, in law equal to single particles."""

from __future__ import annotations

import numpy as np
import pytest
from reference import particle_by_particle

from nasflow import flow, scaling
from nasflow.average import Average

K = flow.graph(np.ones(4), 1.0)
V = np.array([0.3, 0.1, 0.2, 0.5, 0.25])


def _step(rng: np.random.Generator, n: flow.Counts, kappa_tau: float = 0.3) -> flow.Counts:
    E = flow.energy(n / n.sum(), V, kind="power", beta=1.0, weight=1.0)
    return flow.move(rng, n, flow.first_order_rates(E, K), kappa_tau)[0]


def test_particles_are_conserved_and_every_child_keeps_its_ghost() -> None:
    rng, n = np.random.default_rng(0), flow.init(1000, 4)
    for _ in range(300):
        n = _step(rng, n, 5.0)
        assert n.sum() == 1004
        assert (n[1:] >= 1).all()
        assert n[0] >= 0


def test_particles_move_to_lower_energy_only() -> None:
    E = np.array([0.0, 1.0, -1.0])
    Q = flow.first_order_rates(E, flow.graph(np.ones(2), 1.0))
    assert Q[0, 2] == 1.0
    assert Q[1, 2] == 2.0
    assert Q[1, 0] == 1.0
    assert Q[0, 1] == Q[2, 0] == Q[2, 1] == 0.0


def test_counts_have_the_law_of_single_particles() -> None:
    """T6: mean and variance of one step over 4000 repetitions, within 4 standard errors."""
    n = np.array([60, 20, 11, 5, 8])
    E = flow.energy(n / n.sum(), V, kind="power", beta=1.0, weight=1.0)
    Q = flow.first_order_rates(E, K)
    rng = np.random.default_rng(1)
    fast = np.array([flow.move(rng, n, Q, 0.7)[0] for _ in range(4000)])
    slow = np.array([particle_by_particle(rng, n, E, K, 0.7) for _ in range(4000)])
    spread = np.sqrt((fast.var(0) + slow.var(0)) / 4000) + 1e-9
    assert (np.abs(fast.mean(0) - slow.mean(0)) / spread < 4).all()
    np.testing.assert_allclose(fast.std(0), slow.std(0), rtol=0.08)


@pytest.mark.parametrize(("kind", "beta"), [("power", 1.0), ("power", 2.0)])
def test_the_flow_settles_at_the_equilibrium_of_the_power_potential(kind: str, beta: float) -> None:
    """T3: f = (c - V)_+^{1/beta}."""
    rng, n = np.random.default_rng(2), flow.init(10**8, 4)
    for _ in range(4000):
        E = flow.energy(n / n.sum(), V, kind=kind, beta=beta, weight=1.0)
        n, _ = flow.move(rng, n, flow.first_order_rates(E, K), 0.05)
    f = n / n.sum()
    low, high = 0.0, 2.0
    for _ in range(60):
        c = (low + high) / 2
        low, high = (c, high) if (np.maximum(c - V, 0) ** (1 / beta)).sum() < 1 else (low, c)
    np.testing.assert_allclose(f, np.maximum(c - V, 0) ** (1 / beta), atol=0.01)


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


def test_the_first_value_of_the_average_is_the_first_loss() -> None:
    average = Average(2, 100)
    average.update(np.array([2.0, 3.0]))
    np.testing.assert_allclose(average.V, [2.0, 3.0])
