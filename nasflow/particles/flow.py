"""Particles on the graph of siblings: the formulas of NASGD (paper 2.1, D.1) and NASAGD (2.2, D.2).

Particles on a node are exchangeable, so the state is their counts, and one multinomial draw a node
has exactly the law of moving them one by one: a step costs the same for 10^2 and 10^9 particles.
Ghosts (one a child) never move and count in f.

Errata of the paper decided here: D.1 prints the positive part of E(g') - E(g), which climbs;
particles go from i to j at the rate [E_i - E_j]^+ K_ij, as section 2.1 has it. Sections 2.2 and D.2
print coefficient 1 before sum ([phi_j - phi_i]^+)^2 K, with which the total energy rises without
friction; with 1/2 it is conserved. D.2's restart quantity is never negative; its own words describe
the signed sum.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def init(particles: int, n_neigh: int) -> Counts:
    """N particles on g_r and one ghost on each child, (1 + n_neigh,)."""
    counts = np.ones(1 + n_neigh, dtype=np.int64)
    counts[0] = particles
    return counts


def graph(children: npt.ArrayLike, siblings: float) -> Matrix:
    """K, (m, m), symmetric with zero diagonal: the weights of the edges between g_r and its
    children, (m - 1,), and of those between any two children (0: a star)."""
    spokes = np.asarray(children, dtype=float)
    m = len(spokes) + 1
    K = siblings * (np.ones((m, m)) - np.eye(m))
    K[0, 1:] = K[1:, 0] = spokes
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


def second_order_rates(phi: Vector, K: Matrix) -> Matrix:
    """Q_ij = [phi_j - phi_i]^+ K_ij, (m, m): particles climb phi (D.2, step 2)."""
    Q: Matrix = np.maximum(phi[None, :] - phi[:, None], 0.0) * K
    return Q


def pull(phi: Vector, K: Matrix, *, paper_coefficient: bool = False) -> Vector:
    """sum_j ([phi_j - phi_i]^+)^2 K_ij / 2, (m,): what the climb of its particles takes from phi_i.

    `paper_coefficient` prints it as D.2 does: 1 instead of 1/2, and K squared with the bracket."""
    rise = np.maximum(phi[None, :] - phi[:, None], 0.0)  # (m, m)
    square = np.square(rise * K) if paper_coefficient else 0.5 * rise * rise * K
    down: Vector = square.sum(1)
    return down


def push(
    phi: Vector,
    E: Vector,
    K: Matrix,
    *,
    tau: float,
    friction: float,
    paper_coefficient: bool = False,
) -> Vector:
    """phi_i - tau (pull_i + friction phi_i + E_i), (m,): D.2, step 3, with the friction of 2.2.

    tau friction above 1 counts as 1, when phi forgets what it was: more would make it diverge.

    The square drives phi_i of a node that falls behind to minus infinity in finite time, where the
    exact paths end (a default round without a winner overflowed after 14 steps). phi therefore
    stops 1 / (tau min K) below its largest value: from there every particle leaves within a step,
    and lower values would move no more."""
    down = pull(phi, K, paper_coefficient=paper_coefficient)
    pushed = phi - tau * (down + min(friction, 1.0 / tau) * phi + E)
    depth = 1.0 / (tau * float(K[K > 0.0].min(initial=np.inf)))
    stopped: Vector = np.maximum(pushed, pushed.max() - depth)
    return stopped


def uphill(f: Vector, phi: Vector, V: Vector, K: Matrix, *, signed: bool = True) -> float:
    """Rate at which the flow of phi raises the mean loss, nats: sum_ij f_i Q_ij (V_j - V_i).

    Unsigned, with [V_j - V_i]^+, it is what D.2 prints: positive as soon as any particle climbs."""
    climb = V[None, :] - V[:, None]  # (m, m): from i to j
    if not signed:
        climb = np.maximum(climb, 0.0)
    return float((f[:, None] * second_order_rates(phi, K) * climb).sum())


def move(rng: np.random.Generator, n: Counts, Q: Matrix, kappa_tau: float) -> tuple[Counts, Counts]:
    """Particles leave i with probability min(1, kappa tau sum_j Q_ij) and pick j ~ Q_ij; all moves
    use the same Q. Returns the counts after and the number that left each node, (m,) each."""
    out = Q.sum(1)
    leave = np.minimum(kappa_tau * out, 1.0)
    P = Q * (leave / np.where(out > 0.0, out, 1.0))[:, None]  # (m, m)
    P.flat[:: len(P) + 1] = 1.0 - leave  # the diagonal
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
