"""The formulas of NASGD (paper 2.1, D.1) and NASAGD (2.2, D.2): particles on a graph of siblings.

Particles on the same node cannot be told apart, so the state is how many stand on each node. One
multinomial draw per node has exactly the law of moving the particles one by one, so that a step
costs the same for 10^2 and for 10^9 particles. Ghosts (one on each child) never move, but they
count in the share f.

Errata of the paper that are decided here. D.1 prints the positive part of E(g') - E(g), with which
particles would climb; here they go from i to j at the rate [E_i - E_j]^+ K_ij, as section 2.1 has
it. Sections 2.2 and D.2 print coefficient 1 before sum ([phi_j - phi_i]^+)^2 K, with which the
total energy rises without friction; with 1/2 it is conserved. The restart quantity of D.2 is never
negative; its own words describe the signed sum of the losses. By default the sum is signed and has
the energies E in the place of the losses, because the flow lowers E and not the mean loss.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nasflow.config.kinds import Potential

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def init(particles: int, n_neigh: int) -> Counts:
    """Put all particles on the centre g_r and one ghost on each child.

    Args:
        particles: N, the number of particles.
        n_neigh: the number of children.

    Returns:
        The particles and ghosts on each node, (1 + n_neigh,).
    """
    counts = np.ones(1 + n_neigh, dtype=np.int64)
    counts[0] = particles
    return counts


def graph(children: npt.ArrayLike, siblings: float) -> Matrix:
    """Make K, the weights of the edges between m nodes, of which node 0 is the centre g_r.

    Args:
        children: the weights of the edges between the centre and each child, (m - 1,).
        siblings: the weight of the edge between any two children; 0 makes a star.

    Returns:
        K, (m, m), symmetric with zero diagonal.
    """
    spokes = np.asarray(children, dtype=float)
    m = len(spokes) + 1
    K = siblings * (np.ones((m, m)) - np.eye(m))
    K[0, 1:] = K[1:, 0] = spokes
    return K


def potential(f: Vector, kind: str, beta: float) -> Vector:
    """Return U'(f): f^beta (`power`, Remark 2.3), log f (`log`, section 2.1) or 0 (`none`), (m,).

    Args:
        f: shares of the particles, (m,).
        kind: `power`, `log` or `none`.
        beta: the exponent of `power`.

    Raises:
        ValueError: if `kind` is none of these.
    """
    match Potential(kind):
        case Potential.POWER:
            return f**beta
        case Potential.LOG:
            return np.log(np.maximum(f, np.finfo(float).tiny))
        case Potential.NONE:
            return np.zeros_like(f)


def energy(f: Vector, V: Vector, *, kind: str, beta: float, weight: float) -> Vector:
    """Return the energies E_i = w U'(f_i) + V_i in nats, (m,).

    Args:
        f: shares of the particles, (m,).
        V: validation losses in nats, (m,).
        kind: the form of U', as in `potential`.
        beta: exponent of the power potential.
        weight: the entropy weight w, nats.
    """
    return weight * potential(f, kind, beta) + V


def first_order_rates(E: Vector, K: Matrix) -> Matrix:
    """Return Q_ij = [E_i - E_j]^+ K_ij, (m, m): particles descend E."""
    Q: Matrix = np.maximum(E[:, None] - E[None, :], 0.0) * K
    return Q


def second_order_rates(phi: Vector, K: Matrix) -> Matrix:
    """Return Q_ij = [phi_j - phi_i]^+ K_ij, (m, m): particles climb phi (D.2, step 2)."""
    Q: Matrix = np.maximum(phi[None, :] - phi[:, None], 0.0) * K
    return Q


def pull(phi: Vector, K: Matrix, *, paper_coefficient: bool = False) -> Vector:
    """Return sum_j ([phi_j - phi_i]^+)^2 K_ij / 2, (m,): how fast climbing particles lower phi_i.

    Args:
        phi: the potential, (m,).
        K: the weights of the edges, (m, m).
        paper_coefficient: compute the term as D.2 prints it: with 1 instead of 1/2, and with K
            squared together with the bracket.
    """
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
    """Return phi_i - tau (pull_i + friction phi_i + E_i), (m,): D.2, step 3, with 2.2's friction.

    A product tau * friction above 1 counts as 1, with which phi forgets its value: a larger one
    would make phi diverge.

    The square drives phi_i of a node that falls behind to minus infinity in finite time, which is
    where the exact paths end (a default round without a winner overflowed after 14 steps).
    Therefore phi stops 1 / (tau min K) below its largest value. Where the rates are multiplied by
    tau, all particles of such a node leave it within one step if it has an edge to the node with
    the largest phi. The floor still changes the path: from a lower phi_i, particles would spread
    more evenly over the other nodes, and phi_i would take longer to come back.

    Args:
        phi: the potential, (m,).
        E: the energies, (m,), nats.
        K: the weights of the edges, (m, m).
        tau: the time step; with 0, phi stays as it is.
        friction: gamma of phi.
        paper_coefficient: as in `pull`.
    """
    if tau == 0.0:
        return phi.copy()
    down = pull(phi, K, paper_coefficient=paper_coefficient)
    pushed = phi - tau * (down + min(friction, 1.0 / tau) * phi + E)
    depth = 1.0 / (tau * float(K[K > 0.0].min(initial=np.inf)))
    stopped: Vector = np.maximum(pushed, pushed.max() - depth)
    return stopped


def uphill(f: Vector, phi: Vector, V: Vector, K: Matrix, *, signed: bool = True) -> float:
    """Return the rate at which the flow of phi raises the mean of V: sum_ij f_i Q_ij (V_j - V_i).

    With losses in the place of V it is the rate of the mean loss. With the energies E at the shares
    f it is the rate of the free energy, since E is the derivative of the free energy.

    Args:
        f: shares of the particles, (m,).
        phi: the potential, (m,), which gives the rates Q of `second_order_rates`.
        V: validation losses or energies in nats, (m,).
        K: the weights of the edges, (m, m).
        signed: if False, [V_j - V_i]^+ takes the place of V_j - V_i. This is what D.2 prints, and
            it is positive as soon as any particle goes to a larger loss.
    """
    climb = V[None, :] - V[:, None]  # (m, m): from i to j
    if not signed:
        climb = np.maximum(climb, 0.0)
    return float((f[:, None] * second_order_rates(phi, K) * climb).sum())


def move(rng: np.random.Generator, n: Counts, Q: Matrix, kappa_tau: float) -> tuple[Counts, Counts]:
    """Move all particles at once, by the same rates.

    A particle leaves node i with probability min(1, kappa tau sum_j Q_ij), and chooses node j with
    a probability proportional to Q_ij.

    Args:
        rng: draws the moves.
        n: particles and ghosts on each node, (m,).
        Q: rates, (m, m).
        kappa_tau: the factor that makes rates probabilities.

    Returns:
        The counts after the move, and how many particles left each node, (m,) each.
    """
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
    """Return the child with most particles if it holds at least twice as many as the centre.

    Args:
        n: particles and ghosts on each node, (m,); node 0 is the centre.

    Returns:
        The number of its node, the first one if several children hold equally many. None if no
        child holds twice as many as the centre.
    """
    child = 1 + int(np.argmax(n[1:]))
    return child if n[child] >= 2 * n[0] else None
