"""The usual searches of a tabulated landscape: random, local search, regularized evolution."""

from __future__ import annotations

from collections import deque

import numpy as np

from nasflow.studies.table import A, Queries


def random_search(queries: Queries[A], rng: np.random.Generator) -> None:
    """Uniform draws without replacement."""
    architectures = queries.landscape.architectures
    for i in rng.permutation(len(architectures))[: queries.budget]:
        queries(architectures[i])


def local_search(
    queries: Queries[A], rng: np.random.Generator, *, first: bool, start: int = 1
) -> None:
    """Descent from the best of `start` uniform draws, restarted at every local minimum (White et
    al. 2020, arXiv 2005.02960).

    `first`: move as soon as a neighbour is better; else query all neighbours and take the best."""
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
    """Real et al. 2019 (arXiv 1802.01548): the best of `sample` of the living has a child by one
    uniform edit, and the oldest dies."""
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
