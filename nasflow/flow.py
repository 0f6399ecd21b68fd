"""NASGD's particles: one step of the flow on the graph of siblings (paper 2.1, appendix D.1).

Particles on a node are exchangeable, so the state is their counts, and one multinomial draw a node
has exactly the law of moving them one by one: a step costs the same for 10^2 and 10^9 particles.
Ghosts (one a child) never move and count in f.

Errata of the paper decided here: D.1 prints the positive part of E(g') - E(g), which climbs;
particles go from i to j at the rate [E_i - E_j]^+ K_ij, as section 2.1 has it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Info(NamedTuple):
    """What the log wants of a step: f, E before the moves, particles that left; each (m,)."""

    share: Vector
    energy: Vector
    moved: Counts


def init(particles: int, n_neigh: int) -> Counts:
    """N particles on g_r and one ghost on each child, (1 + n_neigh,)."""
    counts = np.ones(1 + n_neigh, dtype=np.int64)
    counts[0] = particles
    return counts


def graph(kind: str, m: int) -> Matrix:
    """K, (m, m): `complete` joins every pair, `star` children with g_r only; weights 1."""
    if kind == "complete":
        return np.ones((m, m)) - np.eye(m)
    K = np.zeros((m, m))
    K[0, 1:] = K[1:, 0] = 1.0
    return K


def potential(f: Vector, kind: str, beta: float) -> Vector:
    """U'(f): f^beta (Remark 2.3) or log f (section 2.1)."""
    return f**beta if kind == "power" else np.log(np.maximum(f, np.finfo(float).tiny))


def energy(f: Vector, V: Vector, *, kind: str, beta: float, weight: float) -> Vector:
    """E_i = w U'(f_i) + V_i, (m,)."""
    return weight * potential(f, kind, beta) + V


def first_order_rates(E: Vector, K: Matrix) -> Matrix:
    """Q_ij = [E_i - E_j]^+ K_ij, (m, m)."""
    Q: Matrix = np.maximum(E[:, None] - E[None, :], 0.0) * K
    return Q


def move(rng: np.random.Generator, n: Counts, Q: Matrix, kappa_tau: float) -> tuple[Counts, Counts]:
    """Particles leave i with probability min(1, kappa tau sum_j Q_ij) and pick j ~ Q_ij; all moves
    use the same Q. Returns the counts after and the number that left each node, (m,) each."""
    out = Q.sum(1)
    leave = np.minimum(kappa_tau * out, 1.0)
    P = Q * (leave / np.where(out > 0.0, out, 1.0))[:, None]  # (m, m)
    np.fill_diagonal(P, np.maximum(1.0 - P.sum(1), 0.0))
    free = n.copy()
    free[1:] -= 1  # ghosts stay
    arrived = rng.multinomial(free, P)  # (m, m): row i, column j
    stayed = arrived.diagonal()
    after = arrived.sum(0)
    after[1:] += 1
    return after, free - stayed


def winner(n: Counts) -> int | None:
    """The child with most particles, once it has at least twice those of g_r; ties: the first."""
    child = 1 + int(np.argmax(n[1:]))
    return child if n[child] >= 2 * n[0] else None
