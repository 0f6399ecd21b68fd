"""Known searches on a tabulated landscape: random search, local search, regularized evolution.

Each runs until the queries raise `Spent`, or until it has seen all that it can see.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from nasflow.studies.table import A, Queries


def random_search(queries: Queries[A], rng: np.random.Generator) -> None:
    """Query architectures drawn uniformly, none of them twice."""
    architectures = queries.landscape.architectures
    for i in rng.permutation(len(architectures))[: queries.budget]:
        queries(architectures[i])


def local_search(
    queries: Queries[A], rng: np.random.Generator, *, first: bool, start: int = 1
) -> None:
    """Descend to a local minimum again and again (White et al. 2020, arXiv 2005.02960).

    Args:
        queries: the queries of the search.
        rng: the random generator.
        first: whether to move to the first better neighbour. If False, all neighbours are queried
            and the best of them is taken.
        start: the number of uniform draws; each descent begins at the best of them.
    """
    while True:
        centre = min((queries.draw(rng) for _ in range(start)), key=queries)
        while (better := _descend(queries, rng, centre, first)) is not None:
            centre = better


def _descend(queries: Queries[A], rng: np.random.Generator, centre: A, first: bool) -> A | None:
    neighbours = list(queries.landscape.neighbours(centre))
    best = centre
    for i in rng.permutation(len(neighbours)):
        if queries(neighbours[i]) < queries(best):
            best = neighbours[i]
            if first:
                break
    return None if best == centre else best


def regularized_evolution(
    queries: Queries[A], rng: np.random.Generator, *, population: int, sample: int
) -> None:
    """Evolve a population (Real et al. 2019, arXiv 1802.01548).

    In each step the best of a random sample has a child by one edit, drawn uniformly; the child
    replaces the oldest member of the population.

    Args:
        queries: the queries of the search.
        rng: the random generator.
        population: the number of members.
        sample: the number of members that are drawn in each step.
    """
    living = deque(queries.draw(rng) for _ in range(population))
    for architecture in living:
        queries(architecture)
    while True:
        drawn = rng.choice(population, size=min(sample, population), replace=False)
        neighbours = queries.landscape.neighbours(min((living[i] for i in drawn), key=queries))
        child = neighbours[int(rng.integers(len(neighbours)))]
        queries(child)
        living.append(child)
        living.popleft()
