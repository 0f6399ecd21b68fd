"""The automatic scale ends a round at the lead that it names."""

from __future__ import annotations

import numpy as np
import pytest

from nasflow.particles import flow, scaling


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
