"""NASGD and NASAGD on a tabulated landscape: rounds decided by particles.

Training is a look-up in a table here, so a round has no steps of gradient descent. Its children are
queried, and the particles flow at constant losses V until a child holds twice as many particles as
the centre.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice

import numpy as np

from nasflow.config.kinds import Scaling
from nasflow.config.search import Search
from nasflow.particles import flow, particles
from nasflow.particles.flow import Counts, Vector
from nasflow.studies.table import A, Queries

Move = Callable[[Vector], Counts]  # scaled losses (m,) -> particles on each node (m,)
STEPS = 30  # of the particles in a round, at most
N = 1000  # particles


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
    """Search by rounds that particles decide.

    The defaults were chosen on cifar100 and ImageNet16-120 of NAS-Bench-201.

    Args:
        queries: the queries of the search.
        rng: the random generator.
        algorithm: `nasgd` or `nasagd`.
        entropy_weight: w of the energy E = w f^beta + V.
        beta: the exponent of the energy.
        proposal: `smooth` or `uniform`, as `rounds` describes it.
        n_neigh: the number of new children in a round.
        start: the number of uniform draws in the first round.
        frontier: the number of open architectures to escape to, at most.
    """
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
    """Run rounds until the budget is spent or every architecture has been seen.

    An architecture is open while some neighbour of it has not been queried, and closed afterwards.
    Round 0 chooses among `start` uniform draws. A later round chooses among the centre, `n_neigh`
    new children, which are queried, and the open neighbours that were queried before, which cost
    nothing. The winner is the next centre. Without a winner the same centre gets new children;
    once it is closed, the search leaves it (see `_escape`). The search restarts at a random
    architecture only when nothing is open.

    Args:
        queries: the queries of the search.
        rng: the random generator.
        move: maps scaled losses (m,) to the particles on each node (m,), which began on node 0.
        proposal: `uniform` draws the children; `smooth` takes those that promise the lowest loss.
        n_neigh: the number of new children in a round.
        start: the number of draws in round 0.
        frontier: the number of open architectures to escape to, at most.
    """
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
    """Return a function that guesses an architecture's loss before it is queried.

    The guess is the mean loss of the neighbours that have been seen: the harmonic guess of a
    function on a graph from its known values. Losses above the median of all seen losses count as
    the median, since failed networks say little about good ones.
    """
    cap = float(np.median(list(queries.seen.values())))

    def guess(architecture: A) -> float:
        near = [queries.seen.get(b) for b in queries.landscape.neighbours(architecture)]
        return float(np.mean([min(loss, cap) for loss in near if loss is not None]))

    return guess


def settle(
    rng: np.random.Generator, V: Vector, *, algorithm: str, entropy_weight: float, beta: float
) -> Counts:
    """Let particles that begin on node 0 flow until a child wins, or for 30 steps.

    The energy is E = w f^beta + V on the complete graph. V spans about 1, so that w is a pure
    number. The time step is such that half of the particles leave in the first step of first order
    (nasgd); nasagd needs two of its own steps for that.

    Args:
        rng: the random generator.
        V: scaled losses (m,), the centre first.
        algorithm: `nasgd` or `nasagd`.
        entropy_weight: w.
        beta: the exponent of f, the share of all particles on a node.

    Returns:
        The particles on each node (m,), ghosts included.
    """
    search = Search(
        particles=N, scaling=Scaling.PAPER, kappa=1.0, entropy_weight=entropy_weight, beta=beta
    )
    K = flow.graph(np.ones(len(V) - 1), 1.0)
    rules = particles.rules(algorithm, K, search)
    state = particles.start(rules)
    f = state.counts / state.counts.sum()
    E = flow.energy(f, V, kind="power", beta=beta, weight=entropy_weight)
    time_step = 0.5 / float(flow.first_order_rates(E, K)[0].sum())
    time_step = float(np.sqrt(time_step)) if rules.second_order else time_step
    for _ in range(STEPS):
        state, _ = particles.step(rng, state, V, np.zeros_like(V), time_step, rules)
        if flow.winner(state.counts) is not None:
            break
    return state.counts


def _round(queries: Queries[A], nodes: list[A], move: Move) -> A:
    """Return the next centre; nodes[0] is the present one.

    V is the loss minus that of the centre, divided by the best child's lead, and cut at +1. Where
    no child leads, the particles in equilibrium keep the centre, and nothing is simulated.
    """
    losses = np.array([queries(a) for a in nodes])
    lead = losses[0] - losses.min()
    if lead <= 0.0:
        return nodes[0]
    counts = move(np.minimum((losses - losses[0]) / lead, 1.0))
    return nodes[flow.winner(counts) or 0]


def _escape(
    queries: Queries[A], rng: np.random.Generator, centre: A, frontier: int, move: Move
) -> A:
    """Leave a closed centre: return the node of one random particle after a flow over open nodes.

    The particles flow over the best open nodes. V is the loss minus that of the best of them,
    divided by their spread. The centre has the worst V, 1, since it has nothing left to offer. The
    entropy spreads the particles, so that the second best has a chance too. Where nothing is open,
    which happens in a table of several components, an unseen architecture is drawn and queried.
    """
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
