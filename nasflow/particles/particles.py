"""One step of the particles of a round, as a pure function of their state.

NASGD is first order: particles descend the energy E = w U'(f) + V. NASAGD is second order: they
climb the potential phi, and E pushes phi down.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nasflow.config.kinds import Algorithm, Potential, Restart, Scaling
from nasflow.config.search import Search
from nasflow.particles import flow, scaling
from nasflow.particles.flow import Counts, Matrix, Vector

Mask = NDArray[np.bool_]


class State(NamedTuple):
    """All that a step changes.

    Attributes:
        counts: particles and ghosts on each node, int64 (m,); node 0 is the centre.
        phi: potential that drives the particles of NASAGD, (m,); zeros in NASGD.
    """

    counts: Counts
    phi: Vector


class Rules(NamedTuple):
    """All that a round keeps constant.

    Attributes:
        second_order: True for NASAGD, False for NASGD.
        K: weights of the edges, symmetric with zero diagonal, (m, m).
        search: the configuration of the round.
        scale: gives w and kappa tau of a step (module `scaling`).
    """

    second_order: bool
    K: Matrix
    search: Search
    scale: scaling.Scale


class Info(NamedTuple):
    """What is recorded about the particles in a step.

    `counts`, `share`, `energy`, `phi` and `weight` belong to the same instant, at which the
    particles decide whether to move. E = w U'(f) + V holds between them. `moved`, `after` and
    `restarted` tell what the step did.

    Attributes:
        counts: particles and ghosts on each node before the move, (m,).
        share: f, the share of all particles and ghosts on each node before the move, (m,).
        energy: E in nats, (m,).
        phi: the potential that moved the particles, (m,).
        weight: the entropy weight w, nats.
        kappa_tau: the factor of the rates Q, which makes them probabilities.
        moved: how many particles left each node, (m,).
        after: particles and ghosts on each node after the move, (m,).
        restarted: whether phi returned to zero at the end of the step.
    """

    counts: Counts
    share: Vector
    energy: Vector
    phi: Vector
    weight: float
    kappa_tau: float
    moved: Counts
    after: Counts
    restarted: bool


def rules(algorithm: str, K: Matrix, search: Search) -> Rules:
    """Fix what a round keeps constant.

    Args:
        algorithm: nasgd or nasagd.
        K: weights of the edges between the m nodes, symmetric with zero diagonal, (m, m).
        search: the configuration of the round.

    Returns:
        The rules, which `start` and `step` take.

    Raises:
        ValueError: if `algorithm` does not move particles.
    """
    if algorithm not in (Algorithm.NASGD, Algorithm.NASAGD):
        raise ValueError(f"algorithm: {algorithm!r}; expected nasgd or nasagd")
    return Rules(algorithm == Algorithm.NASAGD, K, search, _scale(K, search))


def start(rules: Rules) -> State:
    """Put N particles on the centre and one ghost on each child."""
    m = len(rules.K)
    return State(flow.init(rules.search.particles, m - 1), np.zeros(m))


def step(
    rng: np.random.Generator,
    state: State,
    V: Vector,
    standard_error: Vector,
    tau: float,
    rules: Rules,
    *,
    still: bool = False,
    dropped: Mask | None = None,
) -> tuple[State, Info]:
    """Move the particles once.

    Args:
        rng: draws the moves.
        state: where the particles stand.
        V: running averages of the validation losses (m,), nats; the caller adds |v|^2 / 2 and the
            price of the parameters where the configuration asks for them.
        standard_error: the standard errors of V_i - V_0, (m,), nats.
        tau: the step size of the training step.
        rules: what the round keeps constant.
        still: report E without moving a particle, as in the warm-up of the averages.
        dropped: the nodes that are out of the round, bool (m,). Before all else the particles of
            such a child leave it, and none comes back.

    Returns:
        The new state, and what is recorded about the step.
    """
    K, counts, phi = rules.K, state.counts, state.phi
    if dropped is not None and dropped.any():
        counts = _leave(rng, counts, K, dropped)
        K = np.where(dropped[:, None] | dropped[None, :], 0.0, K)
    strength = rules.scale(V, standard_error, tau, K)
    w, kappa_tau = strength.weight, strength.kappa_tau
    f = _share(counts)
    E = _energy(f, V, w, rules.search)
    if rules.second_order:
        time_step, kappa_tau = _second_order_time(kappa_tau, tau, rules.search)
    after, moved, pushed, restarted = counts, np.zeros_like(counts), phi, False
    if not still:
        rates = _rates(phi, E, K, rules)
        after, moved = flow.move(rng, counts, rates, kappa_tau)
    if not still and rules.second_order:
        pushed, restarted = _push(phi, _share(after), V, strength, K, time_step, rules.search)
    info = Info(counts, f, E, phi, w, kappa_tau, moved, after, restarted)
    return State(after, pushed), info


def _rates(phi: Vector, E: Vector, K: Matrix, rules: Rules) -> Matrix:
    if rules.second_order:
        return flow.second_order_rates(phi, K)  # (D.2, step 2)
    return flow.first_order_rates(E, K)  # (D.1, step 2)


def _leave(rng: np.random.Generator, counts: Counts, K: Matrix, dropped: Mask) -> Counts:
    """Move the particles of dropped children along their edges to nodes that train on.

    They go to the centre where no edge leads to such a node. Ghosts stay."""
    counts = counts.copy()
    for node in np.flatnonzero(dropped[1:] & (counts[1:] > 1)) + 1:
        weights = np.where(dropped, 0.0, K[node])
        if not weights.any():
            weights[0] = 1.0
        counts += rng.multinomial(counts[node] - 1, weights / weights.sum())
        counts[node] = 1
    return counts


def _push(
    phi: Vector,
    f: Vector,
    V: Vector,
    strength: scaling.Strength,
    K: Matrix,
    time_step: float,
    search: Search,
) -> tuple[Vector, bool]:
    """Push phi by the energy at the shares f after the move, and decide whether it restarts.

    D.2 lists move and push in this order; with the new f it is the symplectic Euler scheme, whose
    energy stays bounded where that of the explicit scheme grows.

    The restart looks at the new phi and the same shares and energies, because they are what the
    next move begins with: it asks whether that move would raise the free energy."""
    options, E = search.second_order, _energy(f, V, strength.weight, search)
    pushed = flow.push(  # (D.2, step 3)
        phi,
        E,
        K,
        tau=time_step,
        friction=_friction(search, time_step, strength.neighbours),
        paper_coefficient=options.paper_coefficient,
    )
    if options.restart == Restart.NEVER:
        return pushed, False
    rises = E if options.restart == Restart.FREE_ENERGY else V
    signed = options.restart != Restart.PAPER
    restarted = flow.uphill(f, pushed, rises, K, signed=signed) > 0.0
    return (np.zeros_like(pushed) if restarted else pushed), restarted


def _friction(search: Search, time_step: float, neighbours: float) -> float:
    """Return gamma of phi, in the unit that the scaling gives it."""
    friction = search.second_order.friction
    if search.scaling == Scaling.PAPER:
        return 0.0 if friction is None else friction
    friction = 1.0 if friction is None else friction
    return friction * scaling.damping(search.mobility, time_step, neighbours)


def _second_order_time(kappa_tau: float, tau: float, search: Search) -> tuple[float, float]:
    """Return the time step of phi, and the factor of the rates.

    With `scaling: paper` they are tau and kappa tau, as printed. Otherwise both are sqrt(kappa
    tau) of NASGD: phi needs one step to grow before a part `mobility` of the particles leaves the
    centre, so that two time steps together move as many particles as one of NASGD."""
    if search.scaling == Scaling.PAPER:
        return tau, search.kappa * tau
    time_step = math.sqrt(kappa_tau)
    return time_step, time_step


def _share(counts: Counts) -> Vector:
    f: Vector = counts / float(counts.sum())
    return f


def _energy(f: Vector, V: Vector, w: float, search: Search) -> Vector:
    return flow.energy(f, V, kind=search.potential, beta=search.beta, weight=w)


def _scale(K: Matrix, search: Search) -> scaling.Scale:
    if search.scaling == Scaling.PAPER:
        return scaling.paper(kappa=search.kappa, entropy_weight=search.entropy_weight)
    # Without entropy particles keep the time step that the power potential gives them.
    none = search.potential == Potential.NONE
    kind = Potential.POWER if none else search.potential
    if search.scaling == Scaling.TIED:
        return scaling.tied(
            m=len(K),
            degree=float(K[0].sum()),
            particles=search.particles,
            kind=kind,
            beta=search.beta,
            confidence=search.confidence,
            min_lead=search.min_lead,
            mobility=search.mobility,
        )
    return scaling.auto(
        particles=search.particles,
        kind=kind,
        beta=search.beta,
        boundary=_boundary(search),
        min_lead=search.min_lead,
        mobility=search.mobility,
    )


def _boundary(search: Search) -> float:
    return scaling.boundary(
        search.confidence,
        window=search.window,
        warmup_steps=search.warmup_steps,
        burn_in=search.burn_in,
        max_steps=search.max_steps,
    )
