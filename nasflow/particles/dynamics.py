"""The ideal dynamics (paper 2.1, 2.2): they minimise V(x, g) over points x and nodes g of a graph.

The points x lie in R^d, and the graph has m nodes and weighted edges K. Each node g has its own
point x_g and a share f_g of the mass, where mass is the limit of infinitely many particles.

First order: x_g follows -grad V, and mass flows from node i to node j at the rate
[E_i - E_j]^+ K_ij, with E = w U'(f) + V and [a]^+ = max(a, 0).

Second order: x_g moves like a heavy ball with friction. Mass climbs a potential phi, and E pushes
phi down.

The search runs the same formulas on networks. Here V is a plain function, so that the properties
that theory predicts can be checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nasflow.particles import flow
from nasflow.particles.flow import Matrix, Vector


class State(NamedTuple):
    """The state of the dynamics. `Dynamics.slope` uses the same form for its derivatives in time.

    Attributes:
        x: the point of each node, (m, d).
        v: the velocity of each point, (m, d).
        f: the share of each node in the mass, (m,).
        phi: the potential of each node, (m,).
    """

    x: Matrix
    v: Matrix
    f: Vector
    phi: Vector


def mean_field(f: Vector, Q: Matrix) -> Vector:
    """Return the derivative of the shares in time for infinitely many particles.

    It is df_i/dt = sum_j (f_j Q_ji - f_i Q_ij).

    Args:
        f: the shares, (m,).
        Q: the rates at which mass flows from node i to node j, (m, m).

    Returns:
        df/dt, (m,).
    """
    slope: Vector = f @ Q - f * Q.sum(1)
    return slope


def free_energy(f: Vector, V: Vector, *, kind: str, beta: float, weight: float = 1.0) -> float:
    """Compute the free energy F(f) = w sum U(f_i) + sum f_i V_i.

    U is f^(beta + 1) / (beta + 1) or f log f. The derivative of f log f is 1 + log f, but E has
    only log f. The 1 shifts all E, and all phi, by the same number. It moves no mass, because mass
    is conserved.

    Args:
        f: the shares, (m,).
        V: the losses, (m,).
        kind: `power` for the first U, `log` for the second one.
        beta: the exponent of the first U.
        weight: w.

    Returns:
        The free energy, in the unit of V.
    """
    U = f ** (beta + 1) / (beta + 1) if kind == "power" else f * flow.potential(f, kind, beta)
    return float(weight * U.sum() + f @ V)


def kinetic_energy(f: Vector, phi: Vector, K: Matrix) -> float:
    """Compute the kinetic energy of the mass, T = sum_ij K_ij f_i ([phi_j - phi_i]^+)^2 / 2.

    Args:
        f: the shares, (m,).
        phi: the potentials, (m,).
        K: the weights of the edges, (m, m).
    """
    rise = np.maximum(phi[None, :] - phi[:, None], 0.0)  # (m, m)
    return float(0.5 * (f[:, None] * K * rise**2).sum())


@dataclass(frozen=True)
class Dynamics:
    """A problem V on a graph K, and the dynamics that minimise it.

    Along exact solutions the total energy falls at a known rate. First order:
    sum_ij K_ij f_i ([E_i - E_j]^+)^2 + sum f_i |grad V_i|^2. Second order, with `kinetic`:
    friction (2 T + sum f_i |v_i|^2), where T is `kinetic_energy`.

    Attributes:
        V: the losses (m,) as a function of the points (m, d). Row g of the points is x_g.
        gradient: the gradients (m, d) of these losses with respect to the points (m, d).
        K: the weights of the edges, (m, m), symmetric with a diagonal of zeros.
        order: 1 for the first-order dynamics (NASGD), 2 for the second-order ones (NASAGD).
        kind: `power` for U'(f) = f^beta, `log` for U'(f) = log f.
        beta: the exponent of `power`.
        weight: w, the weight of U' in E.
        friction: the friction of x and of phi (second order).
        kinetic: add |v_i|^2 / 2 to E_i, which pushes phi_i down, as in section 2.2 (second order).
        paper_coefficient: use the coefficients that D.2 prints; see `flow.pull` (second order).
    """

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
        """Return E_i = w U'(f_i) + V_i, (m,); |v_i|^2 / 2 is added in second order if `kinetic`."""
        E = flow.energy(s.f, self.V(s.x), kind=self.kind, beta=self.beta, weight=self.weight)
        return E + 0.5 * (s.v**2).sum(1) if self.order == 2 and self.kinetic else E

    def slope(self, s: State) -> State:
        """Return the derivative of the state in time, for infinitely many particles."""
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
        """Follow the dynamics for one time step with a finite number of particles.

        The points move first, then the particles, and phi last, as sections 2.1 and 2.2 print it.

        Args:
            rng: draws the moves of the particles.
            s: the state before the step; its shares are n / sum(n).
            n: the number of particles on each node, (m,), with one ghost on each node but the
                first. A ghost is a particle that never moves.
            tau: the length of the step, in units of time.

        Returns:
            The state and the numbers of particles after the step.
        """
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
        """Return the total energy: F + T, plus sum f_i |v_i|^2 / 2 if `kinetic`."""
        F = free_energy(s.f, self.V(s.x), kind=self.kind, beta=self.beta, weight=self.weight)
        balls = 0.5 * float(s.f @ (s.v**2).sum(1)) if self.kinetic else 0.0
        return F + kinetic_energy(s.f, s.phi, self.K) + balls


def runge_kutta(slope: Callable[[State], State], s: State, tau: float) -> State:
    """Follow a slope for one time step by the classical Runge-Kutta method.

    Its error is of order 4 where the slope is smooth. The order is lower at the times at which a
    bracket [.]^+ becomes zero or stops being zero.

    Args:
        slope: the derivative in time as a function of the state.
        s: the state before the step.
        tau: the length of the step, in units of time.

    Returns:
        The state after the step.
    """

    def ahead(k: State, t: float) -> State:
        return State(*(a + t * b for a, b in zip(s, k, strict=True)))

    k1 = slope(s)
    k2 = slope(ahead(k1, tau / 2))
    k3 = slope(ahead(k2, tau / 2))
    k4 = slope(ahead(k3, tau))
    mean = (a + 2 * b + 2 * c + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True))
    return ahead(State(*mean), tau / 6)
