"""The ideal dynamics (paper 2.1, 2.2): min V(x, g) over R^d times a weighted graph of m nodes.

Every node g has its point x_g and a share f_g of the mass. First order: x_g follows -grad V, and
mass goes from i to j at the rate [E_i - E_j]^+ K_ij, E = w U'(f) + V. Second order: x_g is a damped
heavy ball, and mass climbs phi, which E pushes down. The search runs the same formulas on networks;
here V is a plain function, so that what they promise can be checked. docs/theory.md has an example.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nasflow.particles import flow
from nasflow.particles.flow import Matrix, Vector


class State(NamedTuple):
    """Points and velocities (m, d), shares and potential (m,); also their slopes in time."""

    x: Matrix
    v: Matrix
    f: Vector
    phi: Vector


class Trajectory(NamedTuple):
    """Times (T,), states (T, m, d) and (T, m), total energies (T,), in nats where V is."""

    t: Vector
    x: Matrix
    v: Matrix
    f: Vector
    phi: Vector
    energy: Vector

    @property
    def best(self) -> tuple[int, Vector]:
        """The node with most mass at the end, and its point (d,)."""
        node = int(np.argmax(self.f[-1]))
        return node, self.x[-1, node]


def mean_field(f: Vector, Q: Matrix) -> Vector:
    """df_i/dt = sum_j (f_j Q_ji - f_i Q_ij), (m,): the limit of infinitely many particles."""
    slope: Vector = f @ Q - f * Q.sum(1)
    return slope


def free_energy(f: Vector, V: Vector, *, kind: str, beta: float, weight: float = 1.0) -> float:
    """F(f) = w sum U(f_i) + sum f_i V_i with U = f^(beta + 1) / (beta + 1) or f log f.

    The slope of f log f is 1 + log f where E has log f; mass is conserved, so the 1 moves nothing:
    it shifts all E, and all phi, alike."""
    U = f ** (beta + 1) / (beta + 1) if kind == "power" else f * flow.potential(f, kind, beta)
    return float(weight * U.sum() + f @ V)


def kinetic_energy(f: Vector, phi: Vector, K: Matrix) -> float:
    """T = sum_ij K_ij f_i ([phi_j - phi_i]^+)^2 / 2."""
    rise = np.maximum(phi[None, :] - phi[:, None], 0.0)  # (m, m)
    return float(0.5 * (f[:, None] * K * rise**2).sum())


@dataclass(frozen=True)
class Dynamics:
    """V and gradient map x, (m, d), to (m,) and (m, d), row g at node g; K is (m, m), symmetric
    with zero diagonal. `kinetic` adds |v_i|^2 / 2 to what pushes phi_i, as section 2.2 has it.

    Along exact solutions the energy falls at the rate sum_ij K_ij f_i ([E_i - E_j]^+)^2 +
    sum f_i |grad V_i|^2 (first order), or friction (2 T + sum f_i |v_i|^2) (second, `kinetic`)."""

    V: Callable[[Matrix], Vector]
    gradient: Callable[[Matrix], Matrix]
    K: Matrix
    order: int = 1
    kind: str = "power"
    beta: float = 1.0
    weight: float = 1.0
    friction: float = 1.0
    kinetic: bool = True
    paper_coefficient: bool = False

    def E(self, s: State) -> Vector:
        """w U'(f_i) + V_i, and |v_i|^2 / 2 where it belongs, (m,)."""
        E = flow.energy(s.f, self.V(s.x), kind=self.kind, beta=self.beta, weight=self.weight)
        return E + 0.5 * (s.v**2).sum(1) if self.order == 2 and self.kinetic else E

    def slope(self, s: State) -> State:
        """d/dt of the state in the limit of infinitely many particles."""
        E, gradient = self.E(s), self.gradient(s.x)
        if self.order == 1:
            df = mean_field(s.f, flow.first_order_rates(E, self.K))
            return State(-gradient, np.zeros_like(s.v), df, np.zeros_like(s.phi))
        df = mean_field(s.f, flow.second_order_rates(s.phi, self.K))
        down = flow.pull(s.phi, self.K, paper_coefficient=self.paper_coefficient)
        dphi = -(down + self.friction * s.phi + E)
        return State(s.v, -self.friction * s.v - gradient, df, dphi)

    def step(
        self, rng: np.random.Generator, s: State, n: flow.Counts, tau: float
    ) -> tuple[State, flow.Counts]:
        """Train, move, push: the steps printed in 2.1 and 2.2, with counts n of particles."""
        gradient = self.gradient(s.x)
        if self.order == 1:
            s = s._replace(x=s.x - tau * gradient)
            n, _ = flow.move(rng, n, flow.first_order_rates(self.E(s), self.K), tau)
            return s._replace(f=n / n.sum()), n
        s = s._replace(x=s.x + tau * s.v, v=s.v - tau * (self.friction * s.v + gradient))
        n, _ = flow.move(rng, n, flow.second_order_rates(s.phi, self.K), tau)
        s = s._replace(f=n / n.sum())
        phi = flow.push(
            s.phi,
            self.E(s),
            self.K,
            tau=tau,
            friction=self.friction,
            paper_coefficient=self.paper_coefficient,
        )
        return s._replace(phi=phi), n

    def energy(self, s: State) -> float:
        """F + T, and sum f_i |v_i|^2 / 2 where `kinetic`."""
        F = free_energy(s.f, self.V(s.x), kind=self.kind, beta=self.beta, weight=self.weight)
        balls = 0.5 * float(s.f @ (s.v**2).sum(1)) if self.kinetic else 0.0
        return F + kinetic_energy(s.f, s.phi, self.K) + balls


def runge_kutta(slope: Callable[[State], State], s: State, tau: float) -> State:
    """One classical Runge-Kutta step of length tau: order 4 where the slope is smooth, less at the
    instants where a bracket [.]^+ opens or closes."""

    def ahead(k: State, t: float) -> State:
        return State(*(a + t * b for a, b in zip(s, k, strict=True)))

    k1 = slope(s)
    k2 = slope(ahead(k1, tau / 2))
    k3 = slope(ahead(k2, tau / 2))
    k4 = slope(ahead(k3, tau))
    mean = (a + 2 * b + 2 * c + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True))
    return ahead(State(*mean), tau / 6)


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
    """Follow the dynamics from the points x, (m, d), at rest, with mass f (default: even).

    Without `particles`, f is real-valued and steps are Runge-Kutta's. With N particles, N f_i of
    them (rounded down) start on node i, a ghost more on every node but the first, and steps are the
    printed ones: within N^-1/2 and tau of the other.

    ValueError where phi leaves every bound, as the exact second-order path does in finite time when
    a node empties; particles go on from there (flow.push), but that node stays empty."""
    m = len(dynamics.K)
    s = State(x, np.zeros_like(x), np.full(m, 1 / m) if f is None else f, np.zeros(m))
    rng, states, n = np.random.default_rng(seed), [s], flow.init(0, m - 1)
    if particles is not None:
        n = n + np.floor(particles * s.f).astype(np.int64)
        states = [s := s._replace(f=n / n.sum())]
    for _ in range(steps):
        if particles is None:
            with np.errstate(over="ignore", invalid="ignore"):
                s = runge_kutta(dynamics.slope, s, tau)
        else:
            s, n = dynamics.step(rng, s, n, tau)
        if not np.isfinite(s.phi).all():
            raise ValueError(f"t = {tau * len(states):g}: a node emptied; raise friction or weight")
        if not np.isfinite(s.f).all():
            raise ValueError(
                f"tau: {tau}; the shares left every bound at step {len(states)}; lower it"
            )
        states.append(s)
    energy = np.array([dynamics.energy(s) for s in states], dtype=np.float64)
    x, v, f, phi = (np.array(part) for part in zip(*states, strict=True))
    t: Vector = tau * np.arange(steps + 1, dtype=np.float64)
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
    """The flow of mass over a graph whose nodes have fixed losses V, (m,); K, (m, m), weighs its
    edges, such as networkx.to_numpy_array(G). `f`: the mass at the start (default: even).

    The options are Dynamics' (`order`, `kind`, `beta`, `weight`, `friction`); for losses that train
    while the mass flows use it and `minimise`. ValueError where K and V do not fit each other."""
    losses, weights = np.asarray(V, dtype=float), np.asarray(K, dtype=float)
    m = len(losses)
    if weights.shape != (m, m) or (weights < 0.0).any() or (weights != weights.T).any():
        raise ValueError(
            f"K: {weights.shape}; expected a symmetric ({m}, {m}) matrix, none below 0"
        )
    if weights.diagonal().any():
        raise ValueError("K: a node has an edge to itself; set the diagonal to 0")
    dynamics = Dynamics(lambda x: losses, np.zeros_like, weights, **options)
    mass = None if f is None else np.asarray(f, dtype=float)
    point = np.zeros((m, 0))
    return minimise(dynamics, point, f=mass, tau=tau, steps=steps, particles=particles, seed=seed)
