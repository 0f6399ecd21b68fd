"""The laws of the flow (T1-T7) hold, and notice planted bugs; the ideal dynamics obey them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import laws
import numpy as np
import pytest
import reference

from nasflow.config import experiment as config
from nasflow.particles import flow, ideal
from nasflow.particles.particles import Particles

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
    """All particles of a node share one dice: right on average, whatever N is."""
    ghosts = flow.init(0, len(n) - 1)
    free, after = n - ghosts, ghosts
    for i, alone in enumerate(np.eye(len(n), dtype=np.int64)):
        after = after + free[i] * (flow.move(rng, ghosts + alone, Q, kappa_tau)[0] - ghosts)
    return after, free


def late_leavers(
    rng: np.random.Generator, n: np.ndarray, Q: np.ndarray, kappa_tau: float
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes take turns, and later ones move what has just arrived."""
    for i in range(len(n)):
        n, moved = flow.move(rng, n, np.where(np.arange(len(n))[:, None] == i, Q, 0.0), kappa_tau)
    return n, moved


def simple_majority(n: np.ndarray) -> int | None:
    child = 1 + int(np.argmax(n[1:]))
    return child if n[child] > n[0] else None


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


def _particles(potential: str = "power", **second_order: Any) -> Particles:
    search = config.plain(config.Search()) | {"potential": potential}
    search["second_order"] = {**search["second_order"], **second_order}
    return Particles("nasagd", flow.graph(np.ones(8), 1.0), search)


LOSSES = np.array([0.5, 0.45, 0.5, 0.3, 0.52, 0.5, 0.48, 0.5, 0.6])


def _follow(particles: Particles, steps: int) -> list[Any]:
    rng, error = np.random.default_rng(0), np.full(9, 0.02)
    return [particles.step(rng, LOSSES, error, 0.05, still=False) for _ in range(steps)]


def test_nasagd_tends_to_lower_losses() -> None:
    particles = _particles()
    mean = [float(info.counts @ LOSSES / info.counts.sum()) for info in _follow(particles, 60)]
    assert mean[-1] < 0.42 < 0.49 < mean[0]
    assert particles.leader == 3
    assert particles.winner == 3


def test_the_printed_restart_keeps_every_particle_at_home() -> None:
    """As long as one child is worse than g_r: phi is reset before anyone has moved."""
    assert _follow(_particles(restart="paper"), 60)[-1].counts[0] == 1000


@pytest.mark.parametrize("potential", ["power", "log"])
@pytest.mark.parametrize(
    ("friction", "lead", "ends"), [(0.0, 0.0, 12), (1.0, 0.0, 0), (1.0, 1.6, 12)]
)
def test_nasagd_ends_a_round_for_a_lead_not_for_its_momentum(
    potential: str, friction: float, lead: float, ends: int
) -> None:
    """Nine nodes, one ahead by `lead` x confidence standard errors; 12 rounds of 100 steps."""
    error, losses, ended = 0.01, np.full(9, 0.5), 0
    for seed in range(12):
        particles, rng = (
            _particles(friction=friction, potential=potential),
            np.random.default_rng(seed),
        )
        losses[4] = 0.5 - lead * config.Search().confidence * error
        for _ in range(100):
            particles.step(rng, losses, np.full(9, error), 0.05, still=False)
            if particles.winner is not None:
                assert lead == 0.0 or particles.winner == 4
                ended += 1
                break
    assert ended == ends


@pytest.mark.parametrize("restart", ["signed", "never"])
@pytest.mark.parametrize("friction", [0.0, 1.0])
@pytest.mark.filterwarnings("error")
def test_phi_stays_finite_when_a_node_empties(restart: str, friction: float) -> None:
    """Without a floor the default overflowed after 14 steps."""
    particles = _particles(restart=restart, friction=friction)
    assert all(np.isfinite(info.phi).all() for info in _follow(particles, 2000))
    assert particles.counts.sum() == 1008


PLACE = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, -1.0]])
DEPTH = np.array([0.0, 0.6, 0.3, 1.0])
CURVATURE = np.array([1.0, 2.0, 0.5, 1.5])
PATH = np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1)


def wells(**options: Any) -> ideal.Dynamics:
    """Four wells on a path: a worse node lies between the start and the deepest one."""
    return ideal.Dynamics(
        V=lambda x: 0.5 * CURVATURE * ((x - PLACE) ** 2).sum(1) - DEPTH,
        gradient=lambda x: CURVATURE[:, None] * (x - PLACE),
        K=PATH,
        **options,
    )


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("particles", [None, 10_000])
def test_the_ideal_dynamics_find_the_deepest_well(order: int, particles: int | None) -> None:
    dynamics = wells(order=order, kind="log", weight=0.5, friction=2.0)
    start = np.array([0.97, 0.01, 0.01, 0.01])
    path = ideal.minimise(dynamics, np.zeros((4, 2)), f=start, steps=3000, particles=particles)
    node, x = path.best
    assert node == 3
    np.testing.assert_allclose(x, PLACE[3], atol=1e-4)
    target = reference.equilibrium(-DEPTH, "log", 1.0, 0.5)
    np.testing.assert_allclose(path.f[-1], target, atol=0.03)


def test_a_barrier_holds_the_power_potential_not_the_logarithm() -> None:
    """Mass at node 1 passes node 2 only if w f_1^beta + V_1 > V_2; log f of an empty node is low
    enough for any barrier. A complete graph has none."""
    start = np.array([0.01, 0.97, 0.01, 0.01])
    ends = {
        kind: ideal.minimise(wells(kind=kind, weight=0.25), PLACE, f=start, steps=6000).f[-1]
        for kind in ("power", "log")
    }
    assert ends["power"][1] > 0.9
    assert ends["log"][3] > ends["log"][1]


def test_the_exact_path_ends_where_a_node_empties_and_particles_go_on() -> None:
    with pytest.raises(ValueError, match="a node emptied"):
        ideal.minimise(wells(order=2), np.zeros((4, 2)), steps=300)
    path = ideal.minimise(wells(order=2), np.zeros((4, 2)), steps=300, particles=1000)
    assert np.isfinite(path.energy).all()


@pytest.mark.parametrize("order", [1, 2])
def test_the_energy_of_moving_points_falls_at_its_rate(order: int) -> None:
    dynamics = wells(order=order, friction=0.7)
    path = ideal.minimise(dynamics, np.ones((4, 2)), tau=5e-4, steps=2000)
    states = [ideal.State(*parts) for parts in zip(*path[1:5], strict=True)]
    if order == 1:
        rate = [
            reference.dissipation(s.f, dynamics.E(s), PATH)
            + s.f @ (dynamics.gradient(s.x) ** 2).sum(1)
            for s in states
        ]
    else:
        rate = [
            0.7 * (2 * ideal.kinetic_energy(s.f, s.phi, PATH) + s.f @ (s.v**2).sum(1))
            for s in states
        ]
    lost = laws.integral(np.array(rate), 5e-4)[-1]
    assert path.energy[0] - path.energy[-1] == pytest.approx(lost, rel=1e-5)
    np.testing.assert_allclose(path.f.sum(1), 1.0, atol=1e-12)


def test_particles_of_the_ideal_dynamics_approach_its_mean_field() -> None:
    for order in (1, 2):
        dynamics = wells(order=order)
        runs = [
            ideal.minimise(dynamics, np.zeros((4, 2)), tau=2e-3, steps=500, particles=particles)
            for particles in (None, 10**7)
        ]
        np.testing.assert_allclose(runs[0].f[-1], runs[1].f[-1], atol=2e-3)


def test_the_example_of_the_page_finds_what_it_says() -> None:
    page = (Path(__file__).parents[1] / "docs/theory.md").read_text()
    names: dict[str, Any] = {}
    exec(page.split("```python")[1].split("```")[0], names)
    node, x = names["path"].best
    assert node == 2
    np.testing.assert_allclose(x, 2.0, atol=1e-6)
