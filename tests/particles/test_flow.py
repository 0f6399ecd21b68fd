"""The flow of the particles: its laws hold (T1-T10), and a planted bug breaks each of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import laws
import numpy as np
import pytest
import reference

from nasflow.particles import flow, ideal, scaling


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


POTENTIALS = [("log", 1.0), ("power", 1.0), ("power", 2.0), ("power", 3.0)]


def uphill_rates(E: np.ndarray, K: np.ndarray) -> np.ndarray:
    """D.1 as printed: particles climb."""
    return flow.first_order_rates(-E, K)


def squared_weights(E: np.ndarray, K: np.ndarray) -> np.ndarray:
    return flow.first_order_rates(E, K**2)


def full_coefficient(phi: np.ndarray, *rest: np.ndarray, **options: Any) -> np.ndarray:
    """1 instead of 1/2 before the square, K as it should be."""
    half = flow.pull(phi, rest[1])
    return flow.push(phi, *rest, **options) - options["tau"] * half


def printed_push(*arguments: np.ndarray, **options: Any) -> np.ndarray:
    return flow.push(*arguments, **options, paper_coefficient=True)


def frictionless(*arguments: np.ndarray, **options: Any) -> np.ndarray:
    """D.2 as printed, without gamma phi."""
    return flow.push(*arguments, **{**options, "friction": 0.0})


def ghosts_move(
    rng: np.random.Generator, n: np.ndarray, Q: np.ndarray, kappa_tau: float
) -> tuple[np.ndarray, np.ndarray]:
    ghosts = flow.init(0, len(n) - 1)
    after, moved = flow.move(rng, n + ghosts, Q, kappa_tau)
    return after - ghosts, moved


def herd(
    rng: np.random.Generator, n: np.ndarray, Q: np.ndarray, kappa_tau: float
) -> tuple[np.ndarray, np.ndarray]:
    """All particles of a node throw the same dice: the average is right for every N, the spread is
    not."""
    ghosts = flow.init(0, len(n) - 1)
    free, after = n - ghosts, ghosts
    for i, alone in enumerate(np.eye(len(n), dtype=np.int64)):
        after = after + free[i] * (flow.move(rng, ghosts + alone, Q, kappa_tau)[0] - ghosts)
    return after, free


def late_leavers(
    rng: np.random.Generator, n: np.ndarray, Q: np.ndarray, kappa_tau: float
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes take turns, and later nodes move particles that have just arrived."""
    for i in range(len(n)):
        n, moved = flow.move(rng, n, np.where(np.arange(len(n))[:, None] == i, Q, 0.0), kappa_tau)
    return n, moved


def simple_majority(n: np.ndarray) -> int | None:
    child = 1 + int(np.argmax(n[1:]))
    return child if n[child] > n[0] else None


def exact(kind: str, beta: float) -> scaling.Scale:
    """The scale of `auto` for a boundary of one standard error; its ghosts do not count."""
    return scaling.auto(
        particles=10**12, kind=kind, beta=beta, boundary=1.0, min_lead=0.0, mobility=0.5
    )


def as_if_tied(kind: str, beta: float, m: int = 9) -> scaling.Scale:
    """The scale that takes all children but one for equal to g_r."""
    return scaling.tied(
        m=m,
        degree=m - 1.0,
        particles=10**12,
        kind=kind,
        beta=beta,
        confidence=1.0,
        min_lead=0.0,
        mobility=0.5,
    )


def rate_of_energy(
    f: np.ndarray, phi: np.ndarray, losses: np.ndarray, E: np.ndarray, K: np.ndarray
) -> float:
    return flow.uphill(f, phi, E, K)


def rate_of_loss(
    f: np.ndarray, phi: np.ndarray, losses: np.ndarray, E: np.ndarray, K: np.ndarray
) -> float:
    return flow.uphill(f, phi, losses, K)


t8, t9 = (
    laws.t8_a_lead_decides_whatever_the_other_children_lose,
    laws.t9_a_clear_leader_wins_in_second_order,
)
t10 = laws.t10_uphill_is_the_rate_of_the_free_energy


LAWS: dict[str, Callable[[], Any]] = {
    "T1": partial(laws.t1_particles_are_conserved_and_ghosts_stay, flow.move),
    **{
        f"T2 {kind} {beta:g}": partial(
            laws.t2_free_energy_falls_at_its_rate, flow.first_order_rates, kind, beta
        )
        for kind, beta in POTENTIALS
    },
    **{
        f"T3 {kind} {beta:g}": partial(
            laws.t3_settles_at_the_equilibrium, flow.first_order_rates, kind, beta
        )
        for kind, beta in POTENTIALS
    },
    "T4 first order": partial(laws.t4_counts_converge_like_one_over_root_n, flow.move),
    "T4 second order": partial(
        laws.t4_counts_converge_like_one_over_root_n, flow.move, second=True
    ),
    **{
        f"T5 {kind} {beta:g} friction {friction:g}": partial(
            laws.t5_total_energy_falls_by_friction_alone, flow.push, kind, beta, friction
        )
        for kind, beta in POTENTIALS
        for friction in (0.0, 1.0)
    },
    "T6 first order": partial(
        laws.t6_counts_have_the_law_of_single_particles,
        flow.move,
        flow.first_order_rates,
        reference.descent,
    ),
    "T6 second order": partial(
        laws.t6_counts_have_the_law_of_single_particles,
        flow.move,
        flow.second_order_rates,
        reference.climb,
    ),
    **{
        f"T7 {kind} {beta:g}": partial(laws.t7_a_round_ends_at_the_margin, flow.winner, kind, beta)
        for kind, beta in POTENTIALS
    },
    **{
        f"T8 {kind} {beta:g} m {m}": partial(t8, exact(kind, beta), kind, beta, m)
        for kind, beta in [*POTENTIALS, ("power", 0.5)]
        for m in (3, 5, 9, 33)
    },
    # For log f the other children do not matter, so that both scales are the same.
    "T8 log, as if tied": partial(t8, as_if_tied("log", 1.0), "log", 1.0),
    "T9 free energy": partial(t9, "free_energy"),
    **{
        f"T10 {kind} {beta:g}": partial(t10, rate_of_energy, kind, beta)
        for kind, beta in POTENTIALS
    },
}


t2, t3 = laws.t2_free_energy_falls_at_its_rate, laws.t3_settles_at_the_equilibrium


t5, t6 = (
    laws.t5_total_energy_falls_by_friction_alone,
    laws.t6_counts_have_the_law_of_single_particles,
)


PLANTED: dict[str, Callable[[], Any]] = {
    "T1 ghosts move": partial(laws.t1_particles_are_conserved_and_ghosts_stay, ghosts_move),
    "T2 particles climb": partial(t2, uphill_rates, "power", 1.0),
    "T2 K squared": partial(t2, squared_weights, "log", 1.0),
    "T3 particles climb": partial(t3, uphill_rates, "power", 1.0),
    "T4 a node moves as one": partial(laws.t4_counts_converge_like_one_over_root_n, herd),
    "T5 coefficient 1": partial(t5, full_coefficient, "power", 1.0, 0.0),
    "T5 as printed": partial(t5, printed_push, "log", 1.0, 0.0),
    "T5 friction lost": partial(t5, frictionless, "power", 1.0, 1.0),
    "T6 K squared": partial(t6, flow.move, squared_weights, reference.descent),
    "T6 particles descend phi": partial(t6, flow.move, flow.first_order_rates, reference.climb),
    "T6 moves see each other": partial(t6, late_leavers, flow.first_order_rates, reference.descent),
    "T7 more is enough": partial(laws.t7_a_round_ends_at_the_margin, simple_majority, "power", 1.0),
    "T8 as if tied": partial(t8, as_if_tied("power", 1.0), "power", 1.0),
    "T8 as if tied, beta 2": partial(t8, as_if_tied("power", 2.0), "power", 2.0),
    "T8 as if tied, 33 nodes": partial(t8, as_if_tied("power", 1.0, 33), "power", 1.0, 33),
    "T9 mean loss": partial(t9, "signed"),
    "T9 any climb": partial(t9, "paper"),
    "T10 loss instead of energy": partial(t10, rate_of_loss, "power", 1.0),
}


@pytest.mark.parametrize("name", LAWS)
def test_law_holds(name: str) -> None:
    LAWS[name]()


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_law_notices_the_planted_bug(name: str) -> None:
    with pytest.raises(AssertionError):
        PLANTED[name]()


def test_the_margins_of_nine_nodes() -> None:
    margins = [laws.t7_a_round_ends_at_the_margin(flow.winner, *kind) for kind in POTENTIALS]
    np.testing.assert_allclose(margins, [np.log(2.0), 0.1, 0.03, 0.007])


def test_with_the_printed_coefficient_energy_rises_without_friction() -> None:
    def rise(push: laws.Push) -> float:
        path = laws.second_order(push, "power", 1.0, 0.0, tau=1e-3, steps=1000)
        s, start = path[-1], path[0].f
        end = ideal.free_energy(s.f, laws.V, kind="power", beta=1.0)
        end += ideal.kinetic_energy(s.f, s.phi, laws.K)
        return end - ideal.free_energy(start, laws.V, kind="power", beta=1.0)

    assert rise(printed_push) > 1e-3
    assert abs(rise(flow.push)) < 1e-9


def test_the_printed_restart_never_sees_a_falling_loss_the_signed_one_does() -> None:
    rng = np.random.default_rng(0)
    states = [rng.normal(size=(2, 5)) for _ in range(200)]
    f = laws.START
    signed = [flow.uphill(f, phi, V, laws.K) for phi, V in states]
    printed = [flow.uphill(f, phi, V, laws.K, signed=False) for phi, V in states]
    assert min(signed) < 0 < max(signed)
    assert min(printed) >= 0


@pytest.mark.parametrize("friction", [0.0, 1.0])
def test_a_time_step_of_zero_leaves_phi_as_it_is(friction: float) -> None:
    phi = np.array([0.0, -3.0, 1.0, 0.5, 0.0])
    for paper in (False, True):
        pushed = flow.push(phi, laws.V, laws.K, tau=0.0, friction=friction, paper_coefficient=paper)
        assert np.array_equal(pushed, phi)
        assert pushed is not phi
