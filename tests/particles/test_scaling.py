"""The automatic scale ends a round at the lead that it names."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from nasflow.particles import flow, scaling

M = 9
COMPLETE = flow.graph(np.ones(M - 1), 1.0)
LEADS = st.lists(st.floats(-0.5, 0.1), min_size=1, max_size=30).map(np.array)
BETAS = st.floats(0.3, 4.0)
THRESHOLDS = st.floats(1e-3, 0.1)


def _auto(particles: int, *, boundary: float = 2.0, min_lead: float = 0.0) -> scaling.Scale:
    return scaling.auto(
        particles=particles,
        kind="power",
        beta=1.0,
        boundary=boundary,
        min_lead=min_lead,
        mobility=0.5,
    )


def _tied(particles: int) -> scaling.Scale:
    return scaling.tied(
        m=M,
        degree=M - 1,
        particles=particles,
        kind="power",
        beta=1.0,
        confidence=2.0,
        min_lead=0.0,
        mobility=0.5,
    )


def _winner(scale: scaling.Scale, loss: np.ndarray, error: float, steps: int) -> int | None:
    rng, n = np.random.default_rng(0), flow.init(10**6, M - 1)
    for _ in range(steps):
        w, kappa_tau, _ = scale(loss, np.full(M, error), 0.05, COMPLETE)
        E = flow.energy(n / n.sum(), loss, kind="power", beta=1.0, weight=w)
        n, _ = flow.move(rng, n, flow.first_order_rates(E, COMPLETE), kappa_tau)
        if flow.winner(n) is not None:
            break
    return flow.winner(n)


@pytest.mark.parametrize("lead", [0.8, 1.25])
@pytest.mark.parametrize("make", [_auto, _tied])
def test_a_round_ends_at_the_lead_that_the_scale_names(make: object, lead: float) -> None:
    """A child ahead by `lead` x confidence standard errors, the others tied: ends only above 1."""
    assert callable(make)
    loss = np.full(M, 1.0)
    loss[3] -= lead * 2.0 * 0.01
    assert _winner(make(10**6), loss, 0.01, 3000) == (3 if lead > 1 else None)


def test_with_children_that_trail_only_the_exact_scale_ends_at_that_lead() -> None:
    loss = np.full(M, 1.5)
    loss[0], loss[3] = 1.0, 1.0 - 1.25 * 2.0 * 0.01
    assert _winner(_auto(10**6), loss, 0.01, 3000) == 3
    assert _winner(_tied(10**6), loss, 0.01, 3000) is None


def test_a_child_that_is_all_but_the_same_network_does_not_win_by_nothing() -> None:
    loss = np.full(M, 1.0)
    loss[3] -= 0.0005  # fifty standard errors
    ends = {least: _winner(_auto(10**6, min_lead=least), loss, 1e-5, 500) for least in (0.0, 0.003)}
    assert ends == {0.0: 3, 0.003: None}


@given(LEADS, BETAS, THRESHOLDS)
def test_the_equilibrium_has_a_winner_if_and_only_if_the_lead_is_large_enough(
    lead: np.ndarray, beta: float, D: float
) -> None:
    for part in (0.9, 1.1):
        lead[0] = max(part * D, float(lead.max()))
        w = scaling.power_weight(lead, D, beta=beta)
        f = reference.equilibrium(np.append(0.0, -lead), "power", beta, weight=w)
        if abs(lead.max() - D) > 1e-3 * D:
            assert (f[1:].max() >= 2.0 * f[0]) == (lead.max() > D)


@given(st.integers(1, 40), BETAS, THRESHOLDS, st.floats(1.0, 10.0))
def test_equal_siblings_have_the_weight_of_the_tied_scale(
    children: int, beta: float, D: float, more: float
) -> None:
    lead, a = np.zeros(children), 1.0 / (children + 2)
    lead[0] = more * D
    expected = D / (a**beta * (2.0**beta - 1.0))
    assert scaling.power_weight(lead, D, beta=beta) == pytest.approx(expected)


@given(LEADS, BETAS, THRESHOLDS, st.floats(0.01, 100.0), st.randoms(use_true_random=False))
def test_the_weight_has_the_unit_of_the_loss_and_ignores_order_and_absent_children(
    lead: np.ndarray, beta: float, D: float, unit: float, random: object
) -> None:
    w = scaling.power_weight(lead, D, beta=beta)
    shuffled = np.append(np.flip(lead), -np.inf)
    assert scaling.power_weight(shuffled, D, beta=beta) == pytest.approx(w)
    assert scaling.power_weight(unit * lead, unit * D, beta=beta) == pytest.approx(unit * w)


@given(LEADS, st.floats(0.3, 1.0), THRESHOLDS, st.integers(0, 29))
def test_the_weight_is_continuous_also_where_the_lead_passes_zero(
    lead: np.ndarray, beta: float, D: float, node: int
) -> None:
    """A change of one loss by 1e-6 of the threshold changes w by less than 1e-4 of itself."""
    moved = lead.copy()
    moved[node % len(lead)] += 1e-6 * D
    w, other = (scaling.power_weight(x, D, beta=beta) for x in (lead, moved))
    assert other == pytest.approx(w, rel=1e-4)
    zero = np.minimum(lead, 0.0)
    below, above = zero.copy(), zero.copy()
    below[0], above[0] = -1e-9, 1e-9
    weights = [scaling.power_weight(x, D, beta=beta) for x in (below, above)]
    assert weights[0] == pytest.approx(weights[1], rel=1e-5)


@given(LEADS, BETAS, THRESHOLDS, st.integers(20, 2000))
def test_ghosts_count_in_the_shares(
    lead: np.ndarray, beta: float, D: float, particles: int
) -> None:
    """In the equilibrium of w no child has less than its ghost, and the shares add up to 1."""
    lead[0] = max(float(lead.max()), D)
    ghost = 1.0 / (particles + len(lead))
    w = scaling.power_weight(lead, D, beta=beta, ghost=ghost)
    L = float(lead.max())
    full = ((np.maximum(L / (2.0**beta - 1.0) + np.append(0.0, lead), 0.0)) / (w * L / D)) ** (
        1.0 / beta
    )
    full[1:] = np.maximum(full[1:], ghost)
    assert full.sum() == pytest.approx(1.0)


@given(
    LEADS,
    st.sampled_from(["power", "log"]),
    st.floats(0.5, 3.0),
    st.integers(100, 10**6),
    st.floats(0.05, 1.0),
)
def test_a_part_mobility_leaves_the_centre_in_the_first_step(
    lead: np.ndarray, kind: str, beta: float, particles: int, mobility: float
) -> None:
    """At most that part, and exactly that part if some child is as good as the centre."""
    m, losses = len(lead) + 1, 1.0 - np.append(0.0, lead)
    K = flow.graph(np.linspace(0.5, 2.0, m - 1), 1.0)
    scale = scaling.auto(
        particles=particles, kind=kind, beta=beta, boundary=2.0, min_lead=0.0, mobility=mobility
    )
    w, kappa_tau, neighbours = scale(losses, np.full(m, 0.01), 0.05, K)
    f = np.append(1.0, np.full(m - 1, 1.0 / particles))
    E = flow.energy(f, losses, kind=kind, beta=beta, weight=w)
    leaves = kappa_tau * float(flow.first_order_rates(E, K)[0].sum())
    assert leaves <= mobility * (1.0 + 1e-9)
    assert 1.0 <= neighbours <= m - 1 + 1e-9
    if K[0, 1 + np.argmax(lead)] == K[0, 1:].min() and lead.max() >= 0.0:
        assert leaves == pytest.approx(mobility)


def test_the_error_is_the_largest_one_among_the_children_that_lead() -> None:
    lead, error = np.array([0.01, 0.02, -0.3]), np.array([0.004, 0.003, 0.09])
    assert scaling.threshold(lead, error, 2.0, 0.0) == 2.0 * 0.004
    assert scaling.threshold(-np.abs(lead), error, 2.0, 0.0) == 2.0 * 0.09
    assert scaling.threshold(lead, error, 2.0, 0.05) == 0.05
    assert scaling.threshold(np.zeros(0), np.zeros(0), 2.0, 0.0) == scaling.LEAST


@given(
    st.floats(0.5, 4.0),
    st.integers(1, 10**9),
    st.integers(0, 500),
    st.integers(0, 500),
    st.integers(1, 10**8),
)
def test_longer_rounds_have_a_higher_boundary(
    confidence: float, window: int, warmup: int, burn_in: int, steps: int
) -> None:
    def of(max_steps: int) -> float:
        return scaling.boundary(
            confidence, window=window, warmup_steps=warmup, burn_in=burn_in, max_steps=max_steps
        )

    assert confidence <= of(steps) <= of(2 * steps) < np.sqrt(confidence**2 + 2 * np.log(4e8))


@pytest.mark.parametrize(
    ("window", "warmup", "steps"), [(100, 50, 300), (60, 50, 600), (25, 10, 300)]
)
def test_chance_exceeds_the_boundary_as_rarely_as_the_formula_says(
    window: int, warmup: int, steps: int
) -> None:
    """For one child and known errors. P = P(Z > z) + looks z phi(z) is an upper limit, and not
    more than three times what is measured."""
    z = scaling.boundary(1.75, window=window, warmup_steps=warmup, burn_in=0, max_steps=steps)
    looks = norm.pdf(1.75) / norm.pdf(z) - 1.0
    limit = norm.sf(z) + looks * z * norm.pdf(z)
    x = np.random.default_rng(8).standard_normal((steps, 4000))
    total, mass, over = np.zeros(4000), 0.0, np.zeros(4000, bool)
    keep = 1.0 - 1.0 / window
    for k in range(steps):
        total, mass = keep * total + x[k], keep * keep * mass + 1.0
        over |= (k >= warmup) & (total / np.sqrt(mass) > z)
    assert limit / 3.0 < over.mean() < limit
