"""NASGD and NASAGD on a tabulated landscape: rounds decided by particles.

Training is a look-up here, so a round has no steps of gradient descent: its children are queried,
and the particles flow at constant V until a child holds twice those of the centre.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from itertools import islice

import numpy as np

from nasflow.config.experiment import Search as Options
from nasflow.particles import flow
from nasflow.particles.flow import Counts, Vector
from nasflow.particles.particles import Particles
from nasflow.studies.table import A, Queries

Move = Callable[[Vector], Counts]
STEPS = 30
N = 1000


def particle_search(
    queries: Queries[A],
    rng: np.random.Generator,
    *,
    algorithm: str,
    entropy_weight: float = 1.0,
    beta: float = 1.0,
    proposal: str = "smooth",
    n_neigh: int = 2,
    start: int = 10,
    frontier: int = 25,
) -> None:
    """`rounds` that are decided by particles; `algorithm`: nasgd or nasagd.

    The defaults were chosen on cifar100 and ImageNet16-120 of NAS-Bench-201."""
    move = partial(settle, rng, algorithm=algorithm, entropy_weight=entropy_weight, beta=beta)
    rounds(queries, rng, move, proposal=proposal, n_neigh=n_neigh, start=start, frontier=frontier)


def rounds(
    queries: Queries[A],
    rng: np.random.Generator,
    move: Move,
    *,
    proposal: str,
    n_neigh: int,
    start: int,
    frontier: int,
) -> None:
    """Rounds until the budget is spent or every architecture has been seen.

    Round 0 is over `start` uniform draws. A later round is over the centre, `n_neigh` new children
    (queried) and those neighbours seen before that still are open, which cost nothing; open means
    that some neighbour of theirs has not been queried. A winner is the next centre, and without one
    the same centre gets new children. When none is left, the centre is closed: see `_escape`.
    Nothing restarts at random as long as something is open.

    `proposal`: children are uniform, or `smooth`: those that promise the lowest loss.
    `move`: scaled losses (m,) -> particles on each node, all of which began on node 0."""
    centre = _round(queries, [queries.draw(rng) for _ in range(start)], move)
    while len(queries.seen) < len(queries.landscape.architectures):
        children = queries.unseen(centre)
        if not children:
            centre = _escape(queries, rng, centre, frontier, move)
            continue
        children = [children[i] for i in rng.permutation(len(children))]
        if proposal == "smooth":
            children.sort(key=promise(queries))
        known = [b for b in queries.landscape.neighbours(centre) if b in queries.seen]
        known = [b for b in known if queries.unseen(b)]
        centre = _round(queries, [centre, *known, *children[:n_neigh]], move)


def promise(queries: Queries[A]) -> Callable[[A], float]:
    """Architecture -> mean loss of those of its neighbours that have been seen.

    The harmonic guess of a function on a graph from its known values. Losses above the median of
    all seen count as the median: failed networks say little about good ones."""
    cap = float(np.median(list(queries.seen.values())))

    def guess(architecture: A) -> float:
        near = [queries.seen.get(b) for b in queries.landscape.neighbours(architecture)]
        return float(np.mean([min(loss, cap) for loss in near if loss is not None]))

    return guess


def settle(
    rng: np.random.Generator, V: Vector, *, algorithm: str, entropy_weight: float, beta: float
) -> Counts:
    """Particles that began on node 0, at the first winner or after 30 steps, (m,).

    E = w f^beta + V on the complete graph, V (m,) with a span of about 1, which makes w a pure
    number. The clock lets half of the particles leave in the first first-order step, and NASAGD's
    takes two of its own for that."""
    options = dataclasses.asdict(Options()) | {
        "particles": N,
        "scaling": "paper",
        "kappa": 1.0,
        "entropy_weight": entropy_weight,
        "beta": beta,
    }
    K = flow.graph(np.ones(len(V) - 1), 1.0)
    particles = Particles(algorithm, K, options)
    f = particles.counts / particles.counts.sum()
    E = flow.energy(f, V, kind="power", beta=beta, weight=entropy_weight)
    tau = 0.5 / float(flow.first_order_rates(E, K)[0].sum())
    step = float(np.sqrt(tau)) if particles.second_order else tau
    for _ in range(STEPS):
        particles.step(rng, V, np.zeros_like(V), step, still=False)
        if particles.winner is not None:
            break
    return particles.counts


def _round(queries: Queries[A], nodes: list[A], move: Move) -> A:
    """The next centre; nodes[0] is the present one.

    V is measured from the centre in units of the best child's lead, and cut at +1. Without a lead
    the equilibrium keeps the centre, and nothing is simulated."""
    losses = np.array([queries(a) for a in nodes])
    lead = losses[0] - losses.min()
    if lead <= 0.0:
        return nodes[0]
    counts = move(np.minimum((losses - losses[0]) / lead, 1.0))
    return nodes[flow.winner(counts) or 0]


def _escape(
    queries: Queries[A], rng: np.random.Generator, centre: A, frontier: int, move: Move
) -> A:
    """Out of a closed centre: the node of one particle, after a flow over the best open nodes.

    V is measured from the best of them in units of their spread, with the centre at the worst,
    since it has nothing left to offer; the entropy spreads the particles, so that the second best
    has its chance. A table of several components goes on at an unseen architecture."""
    seen = sorted(queries.seen, key=queries.seen.__getitem__)
    best = list(islice((a for a in seen if a != centre and queries.unseen(a)), frontier))
    if not best:
        left = [a for a in queries.landscape.architectures if a not in queries.seen]
        first = left[int(rng.integers(len(left)))]
        queries(first)
        return first
    losses = np.array([queries(a) for a in best])
    spread = max(float(losses[-1] - losses[0]), np.finfo(float).tiny)
    V = np.concatenate([[1.0], (losses - losses[0]) / spread])
    counts = move(V)[1:]
    return best[int(rng.choice(len(best), p=counts / counts.sum()))]
