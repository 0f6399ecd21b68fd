"""Trajectories of the ideal dynamics, which move points and mass over a weighted graph.

`minimise` follows the dynamics of `nasflow.particles.dynamics` from a start. `run_flow` does so for
fixed losses, where only the mass moves. docs/theory.md has an example.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nasflow.particles import flow
from nasflow.particles.dynamics import (
    Dynamics,
    State,
    free_energy,
    kinetic_energy,
    mean_field,
    runge_kutta,
)
from nasflow.particles.flow import Matrix, Vector

__all__ = [
    "Dynamics",
    "State",
    "Trajectory",
    "free_energy",
    "kinetic_energy",
    "mean_field",
    "minimise",
    "run_flow",
    "runge_kutta",
]


class Trajectory(NamedTuple):
    """The states of the dynamics at T times.

    Attributes:
        t: the times, (T,).
        x: the points, (T, m, d).
        v: the velocities, (T, m, d).
        f: the shares, (T, m).
        phi: the potentials, (T, m).
        energy: the total energies, (T,), in the unit of V.
    """

    t: Vector
    x: Matrix
    v: Matrix
    f: Vector
    phi: Vector
    energy: Vector

    @property
    def best(self) -> tuple[int, Vector]:
        """The node with the largest share at the end, and its point (d,)."""
        node = int(np.argmax(self.f[-1]))
        return node, self.x[-1, node]


def minimise(
    dynamics: Dynamics,
    x: Matrix,
    *,
    f: Vector | None = None,
    tau: float = 0.01,
    steps: int = 1000,
    particles: int | None = None,
    seed: int = 0,
) -> Trajectory:
    """Follow the dynamics from points at rest.

    Without `particles`, the shares are real numbers and the steps are those of `runge_kutta`. With
    `particles`, the steps are those of `Dynamics.step`. The two paths differ by about N^-1/2 and
    tau.

    Args:
        dynamics: the problem and how it is minimised.
        x: the points at the start, (m, d). All velocities and potentials are zero there.
        f: the shares at the start, (m,); None: all equal.
        tau: the length of a step, in units of time.
        steps: the number of steps.
        particles: the number N of particles. N f_i of them, rounded down, start on node i. Each
            node but the first gets one ghost more. None: infinitely many particles.
        seed: the seed of the moves of the particles.

    Returns:
        The states before the first step and after each step: T = steps + 1 times.

    Raises:
        ValueError: if phi does not stay finite. This happens on the exact second-order path, where
            phi becomes infinite in finite time when a node empties. Particles continue from there
            (see `flow.push`), but that node stays empty. Also if the shares do not stay finite,
            because tau is too large.
    """
    m = len(dynamics.K)
    s = State(x, np.zeros_like(x), np.full(m, 1 / m) if f is None else f, np.zeros(m))
    if particles is None:
        states = _exact_states(dynamics, s, tau, steps)
    else:
        states = _particle_states(dynamics, s, tau, steps, particles, seed)
    return _trajectory(dynamics, states, tau)


def _exact_states(dynamics: Dynamics, s: State, tau: float, steps: int) -> list[State]:
    """Return the state s and those after each Runge-Kutta step."""
    states = [s]
    for _ in range(steps):
        with np.errstate(over="ignore", invalid="ignore"):
            s = runge_kutta(dynamics.slope, s, tau)
        _check_finite(s, tau, len(states))
        states.append(s)
    return states


def _particle_states(
    dynamics: Dynamics, s: State, tau: float, steps: int, particles: int, seed: int
) -> list[State]:
    """Return the state s, with its shares rounded to particles, and those after each step."""
    rng = np.random.default_rng(seed)
    n = flow.init(0, len(dynamics.K) - 1) + np.floor(particles * s.f).astype(np.int64)
    states = [s := s._replace(f=n / n.sum())]
    for _ in range(steps):
        s, n = dynamics.step(rng, s, n, tau)
        _check_finite(s, tau, len(states))
        states.append(s)
    return states


def _check_finite(s: State, tau: float, step: int) -> None:
    if not np.isfinite(s.phi).all():
        raise ValueError(f"t = {tau * step:g}: a node emptied; raise friction or weight")
    if not np.isfinite(s.f).all():
        raise ValueError(f"tau: {tau}; the shares left every bound at step {step}; lower it")


def _trajectory(dynamics: Dynamics, states: list[State], tau: float) -> Trajectory:
    energy = np.array([dynamics.energy(s) for s in states], dtype=np.float64)
    x, v, f, phi = (np.array(part) for part in zip(*states, strict=True))
    t: Vector = tau * np.arange(len(states), dtype=np.float64)
    return Trajectory(t, x, v, f, phi, energy)


def run_flow(
    V: npt.ArrayLike,
    K: npt.ArrayLike,
    *,
    f: npt.ArrayLike | None = None,
    tau: float = 0.01,
    steps: int = 1000,
    particles: int | None = None,
    seed: int = 0,
    **options: Any,
) -> Trajectory:
    """Follow the flow of mass over a graph whose nodes have fixed losses.

    For losses that change because points move while the mass flows, use `Dynamics` and `minimise`.

    Args:
        V: the loss of each node, (m,).
        K: the weights of the edges, (m, m), for instance from `networkx.to_numpy_array(G)`.
        f: the share of each node in the mass at the start, (m,); None: all equal.
        tau: the length of a step, in units of time.
        steps: the number of steps.
        particles: the number of particles; None: infinitely many.
        seed: the seed of the moves of the particles.
        **options: the other options of `Dynamics`: `order`, `kind`, `beta`, `weight`, `friction`,
            `kinetic` and `paper_coefficient`.

    Returns:
        The path of the flow; its points have no coordinates (d = 0).

    Raises:
        ValueError: if K is not symmetric, has a number below 0 or an edge from a node to itself, or
            has another size than V; also where `minimise` raises it.
    """
    losses, weights = np.asarray(V, dtype=float), np.asarray(K, dtype=float)
    m = len(losses)
    if weights.shape != (m, m) or (weights < 0.0).any() or (weights != weights.T).any():
        raise ValueError(
            f"K: {weights.shape}; expected a symmetric ({m}, {m}) matrix without numbers below 0"
        )
    if weights.diagonal().any():
        raise ValueError("K: a node has an edge to itself; set the diagonal to 0")
    dynamics = Dynamics(lambda x: losses, np.zeros_like, weights, **options)
    mass = None if f is None else np.asarray(f, dtype=float)
    point = np.zeros((m, 0))
    return minimise(dynamics, point, f=mass, tau=tau, steps=steps, particles=particles, seed=seed)
