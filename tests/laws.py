"""The laws of the flow as checks of the functions that are passed to them.

Each law must fail on a planted bug. A law asserts, and returns what it measured, so that a page can
print it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import reference

from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.particles import flow, ideal, particles, scaling

Rates = Callable[[np.ndarray, np.ndarray], np.ndarray]
Push = Callable[..., np.ndarray]
Move = Callable[..., tuple[np.ndarray, np.ndarray]]

V = np.array([0.22, 0.1, 0.2, 0.5, 0.25])
START = np.array([0.6, 0.1, 0.1, 0.1, 0.1])


def weights(m: int, seed: int = 0) -> np.ndarray:
    """Return K with edges of 0.4 to 1.6, so that squares, roots and lost factors show."""
    upper = np.triu(np.random.default_rng(seed).uniform(0.4, 1.6, (m, m)), 1)
    return upper + upper.T


K = weights(len(V))


def first_order(
    rates: Rates, kind: str, beta: float, *, tau: float, steps: int, losses: np.ndarray = V
) -> np.ndarray:
    """Return the shares along the mean-field flow at fixed losses, of shape (steps + 1, m)."""

    def slope(s: ideal.State) -> ideal.State:
        E = flow.energy(s.f, losses, kind=kind, beta=beta, weight=1.0)
        return s._replace(f=ideal.mean_field(s.f, rates(E, K[: len(E), : len(E)])), phi=still)

    still = np.zeros(len(losses))
    s = ideal.State(still, still, START[: len(losses)], still)
    path = [s.f]
    for _ in range(steps):
        s = ideal.runge_kutta(slope, s, tau)
        path.append(s.f)
    return np.array(path)


def second_order(
    push: Push, kind: str, beta: float, friction: float, *, tau: float, steps: int
) -> list[ideal.State]:
    """Return shares and potential at fixed losses. The slope of phi is a push over 2^-14, divided
    by it."""
    short = 2.0**-14

    def slope(s: ideal.State) -> ideal.State:
        E = flow.energy(s.f, V, kind=kind, beta=beta, weight=1.0)
        pushed = push(s.phi, E, K, tau=short, friction=friction)
        df = ideal.mean_field(s.f, flow.second_order_rates(s.phi, K))
        return ideal.State(still, still, df, (pushed - s.phi) / short)

    still = np.zeros(len(V))
    path = [ideal.State(still, still, START, still)]
    for _ in range(steps):
        path.append(ideal.runge_kutta(slope, path[-1], tau))
    return path


def integral(rate: np.ndarray, tau: float) -> np.ndarray:
    """Integrate samples that are tau apart from the first to each, by trapezoids: error
    O(tau^2)."""
    return np.concatenate([[0.0], np.cumsum(tau * (rate[1:] + rate[:-1]) / 2)])


def t1_particles_are_conserved_and_ghosts_stay(move: Move) -> None:
    """T1, at probabilities to leave from 0 to the cap of 1."""
    rng = np.random.default_rng(0)
    for kappa_tau in np.geomspace(0.01, 100, 200):
        n = 1 + rng.integers(0, 50, len(V))
        after, moved = move(rng, n, flow.first_order_rates(rng.normal(size=len(V)), K), kappa_tau)
        assert after.sum() == n.sum()
        assert after[0] >= 0 and (after[1:] >= 1).all()
        assert (moved <= n - np.minimum(np.arange(len(V)), 1)).all()
    ghosts = flow.init(0, len(V) - 1)
    uphill = flow.first_order_rates(np.arange(len(V)), K)
    assert (move(rng, ghosts, uphill, 100.0)[0] == ghosts).all()


def t2_free_energy_falls_at_its_rate(rates: Rates, kind: str, beta: float) -> float:
    """T2: F(t) - F(0) = -integral of sum_ij K_ij f_i ([E_i - E_j]^+)^2.

    Returns the largest difference, divided by the whole fall.
    """
    tau = 5e-4
    path = first_order(rates, kind, beta, tau=tau, steps=2500)
    F = np.array([ideal.free_energy(f, V, kind=kind, beta=beta) for f in path])
    E = [flow.energy(f, V, kind=kind, beta=beta, weight=1.0) for f in path]
    fall = np.array([reference.dissipation(f, e, K) for f, e in zip(path, E, strict=True)])
    lost = integral(fall, tau)
    assert (np.diff(F) < 1e-14).all()
    error = float(np.abs(F - F[0] + lost).max() / lost[-1])
    assert error < 1e-5
    return error


def t3_settles_at_the_equilibrium(rates: Rates, kind: str, beta: float) -> float:
    """T3: exp(-V) / Z, or (c - V)_+^(1 / beta). Returns the largest difference of a share."""
    losses = V * np.where(np.arange(len(V)) == 3, 3.0, 1.0)  # node 3 empties with beta = 1
    f = first_order(rates, kind, beta, tau=0.1, steps=1500, losses=losses)[-1]
    error = float(np.abs(f - reference.equilibrium(losses, kind, beta)).max())
    assert error < 1e-4
    return error


def t4_counts_converge_like_one_over_root_n(move: Move, *, second: bool = False) -> float:
    """T4: over N = 10^2 .. 10^6 the error of the shares falls like N^-1/2.

    Returns the slope of the error in log-log.
    """
    N = 10 ** np.arange(2, 7)
    errors = [error_of_counts(move, particles, second=second) for particles in N]
    slope = float(np.polyfit(np.log(N), np.log(errors), 1)[0])
    assert abs(slope + 0.5) < 0.03
    return slope


def error_of_counts(move: Move, particles: int, *, second: bool = False, tau: float = 0.1) -> float:
    """Return the root mean square error of the shares after 40 steps, over 50 seeds.

    The error is the difference from the same steps of the mean field: it shows what sampling and
    the ghosts do, without what tau does.
    """
    n = np.floor(particles * START).astype(np.int64)
    exact = _steps(n / n.sum(), tau, second, lambda f, Q: f + tau * ideal.mean_field(f, Q))

    def run(seed: int) -> np.ndarray:
        rng, counts = np.random.default_rng(seed), n

        def sample(f: np.ndarray, Q: np.ndarray) -> np.ndarray:
            nonlocal counts
            counts, _ = move(rng, counts, Q, tau)
            return counts / counts.sum()

        return _steps(n / n.sum(), tau, second, sample)

    return float(np.sqrt(np.mean([(run(seed) - exact) ** 2 for seed in range(50)])))


def _steps(
    f: np.ndarray,
    tau: float,
    second: bool,
    advance: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    phi = np.zeros(len(V))
    for _ in range(40):
        E = flow.energy(f, V, kind="power", beta=1.0, weight=1.0)
        f = advance(f, flow.second_order_rates(phi, K) if second else flow.first_order_rates(E, K))
        if second:
            E = flow.energy(f, V, kind="power", beta=1.0, weight=1.0)
            phi = flow.push(phi, E, K, tau=tau, friction=1.0)
    return f


def t5_total_energy_falls_by_friction_alone(
    push: Push, kind: str, beta: float, friction: float
) -> float:
    """T5: H(t) - H(0) = -2 friction integral of T, H = T + F.

    Returns the largest difference, divided by the largest T.
    """
    tau = 1e-3
    path = second_order(push, kind, beta, friction, tau=tau, steps=1000)
    T = np.array([ideal.kinetic_energy(s.f, s.phi, K) for s in path])
    F = np.array([ideal.free_energy(s.f, V, kind=kind, beta=beta) for s in path])
    error = float(np.abs(T + F - F[0] + 2 * friction * integral(T, tau)).max() / T.max())
    assert error < 1e-5
    return error


def t6_counts_have_the_law_of_single_particles(
    move: Move, rates: Rates, naive: Rates, kappa_tau: float = 0.5
) -> None:
    """T6: mean and spread of one step over 3000 repetitions, within 4.5 standard errors and 10 %.

    The `rates` of the potential are compared with those of the naive loop.
    """
    n, potential = np.array([30, 20, 11, 5, 8]), np.array([0.6, 0.3, 0.55, 0.1, 0.4])
    rng, repetitions = np.random.default_rng(1), 3000
    Q, single = rates(potential, K), naive(potential, K)
    fast = np.array([move(rng, n, Q, kappa_tau)[0] for _ in range(repetitions)])
    slow = np.array(
        [reference.particle_by_particle(rng, n, single, kappa_tau) for _ in range(repetitions)]
    )
    spread = np.sqrt((fast.var(0) + slow.var(0)) / repetitions) + 1e-9
    assert (np.abs(fast.mean(0) - slow.mean(0)) / spread < 4.5).all()
    np.testing.assert_allclose(fast.std(0), slow.std(0), rtol=0.1)


def t7_a_round_ends_at_the_margin(
    winner: Callable[[np.ndarray], int | None], kind: str, beta: float, m: int = 9
) -> float:
    """T7: of m nodes one is better by D and the others tie. In equilibrium f_max >= 2 f_0 holds
    when D >= U'(2a) - U'(a), a = 1 / (m + 1). Returns the margin D in nats."""
    a = 1.0 / (m + 1)
    margin = np.log(2.0) if kind == "log" else a**beta * (2.0**beta - 1.0)
    for part, expected in ((0.99, None), (1.01, 4)):
        losses = np.full(m, 2.0)
        losses[4] -= part * margin
        f = reference.equilibrium(losses, kind, beta)
        assert winner(np.rint(1e9 * f).astype(np.int64)) == expected
    return float(margin)


def siblings(m: int, lead: float, D: float) -> np.ndarray:
    """Return the losses of m nodes with unequal children, (m,).

    Child 2 leads g_r by `lead`. Another one is ahead by a third of that and one is equal to g_r, as
    far as m allows. The others trail by 0.3 D and more; the last one of them trails by 0.5 nats.
    """
    losses = np.full(m, 2.0)
    losses[2] -= lead
    others = [i for i in range(1, m) if i != 2]
    gaps = [0.5, -lead / 3.0, 0.0, 0.3 * D, D, 1.5 * D, 4.0 * D]
    losses[others] += np.resize(gaps, len(others))
    return losses


def t8_a_lead_decides_whatever_the_other_children_lose(
    scale: scaling.Scale, kind: str, beta: float, m: int = 9, error: float = 0.01
) -> float:
    """T8: with unequal children the equilibrium has f_max >= 2 f_0 if the best child leads by more
    than one standard error, and only then. The scale must be made for a boundary of one error.

    Returns the largest lead in standard errors that did not end a round.
    """
    complete, most = flow.graph(np.ones(m - 1), 1.0), 0.0
    for part in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0, 10.0):
        losses = siblings(m, part * error, error)
        w = scale(losses, np.full(m, error), 0.05, complete).weight
        f = reference.equilibrium(losses, kind, beta, weight=w)
        ends = bool(f[1:].max() >= 2.0 * f[0])
        assert ends == (part > 1.0)
        most = most if ends else max(most, part)
    return most


def t9_a_clear_leader_wins_in_second_order(restart: str) -> int:
    """T9: one of nine nodes leads by 0.03 nats, the others trail by 0.05, and the error is 0.01.

    Entropy spreads the particles over children of which most are worse, and so the mean loss rises
    at first. NASAGD must end the round nevertheless. Returns the step.
    """
    search = parse(Search, {"second_order": {"restart": restart}})
    given = particles.rules("nasagd", flow.graph(np.ones(8), 1.0), search)
    losses, error, rng = np.full(9, 0.55), np.full(9, 0.01), np.random.default_rng(0)
    losses[0], losses[4] = 0.5, 0.47
    state, resets = particles.start(given), 0
    for k in range(1, 301):
        state, info = particles.step(rng, state, losses, error, 0.05, given)
        resets += info.restarted
        if flow.winner(state.counts) is not None:
            assert flow.winner(state.counts) == 4
            return k
    raise AssertionError(f"no winner in 300 steps; phi was reset {resets} times")


def t10_uphill_is_the_rate_of_the_free_energy(
    rate: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], float],
    kind: str,
    beta: float,
) -> float:
    """T10: along the flow of phi, dF/dt = sum_ij f_i Q_ij (E_j - E_i), at random states.

    `rate` takes f, phi, the losses, E and K. Returns the largest difference in nats.
    """
    rng, worst, short = np.random.default_rng(2), 0.0, 1e-6
    for _ in range(50):
        f, phi, losses = rng.dirichlet(np.full(5, 3.0)), rng.normal(size=5), rng.normal(size=5)
        df = ideal.mean_field(f, flow.second_order_rates(phi, K))
        ends = [
            ideal.free_energy(f + side * short * df, losses, kind=kind, beta=beta)
            for side in (-1.0, 1.0)
        ]
        E = flow.energy(f, losses, kind=kind, beta=beta, weight=1.0)
        slope = (ends[1] - ends[0]) / (2.0 * short)
        worst = max(worst, abs(slope - rate(f, phi, losses, E, K)))
    assert worst < 1e-6
    return worst
