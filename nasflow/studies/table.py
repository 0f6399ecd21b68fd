"""A tabulated landscape: architectures, their neighbours, and the losses of their trainings.

A search reads losses through `Queries`, which counts them: one query stands for one training of one
architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from nasflow.randomness import generator

A = TypeVar("A", bound=Hashable)
CIRCLES = 10_000  # repeated queries in a row after which a search is stopped


class Spent(Exception):
    """The query budget of a search is used up."""


@dataclass(frozen=True)
class Landscape(Generic[A]):
    """What a search may know of a table.

    Attributes:
        architectures: all architectures of the table.
        neighbours: returns the architectures one edit away from an architecture, without itself;
            neighbours are mutual.
        losses: returns the validation loss of each tabulated training of an architecture, in any
            unit; lower is better.
    """

    architectures: Sequence[A]
    neighbours: Callable[[A], Sequence[A]]
    losses: Callable[[A], Sequence[float]]

    @cached_property
    def index(self) -> dict[A, int]:
        """The place of each architecture in `architectures`."""
        return {a: i for i, a in enumerate(self.architectures)}

    def value(self, architecture: A) -> float:
        """Return the mean loss over all trainings, which only reports may read, never searches."""
        return float(np.mean(self.losses(architecture)))


class Queries(Generic[A]):
    """The only way from a search to the losses; it allows a limited number of new queries.

    An architecture with several trainings shows one of them. It is drawn from the seed and the
    architecture, so that all searches with one seed see the same table. A repeated query returns
    the recorded loss and costs nothing, since it stands for the same training.

    Calling it raises Spent at the first query past the budget, and after 10,000 repeated queries
    in a row, since the search then goes in circles.

    Args:
        landscape: the table.
        budget: the number of new queries; more than there are architectures count as all.
        seed: the seed of the draws.

    Attributes:
        seen: the loss of each architecture queried so far, in the order of the queries.
        incumbents: for each new query the architecture with the lowest loss up to then.
    """

    def __init__(self, landscape: Landscape[A], budget: int, seed: int) -> None:
        self.landscape, self.budget = landscape, min(budget, len(landscape.architectures))
        self.seen: dict[A, float] = {}
        self.incumbents: list[A] = []
        self._luck = generator("landscape", seed).random(len(landscape.architectures))
        self._repeats = 0

    def __call__(self, architecture: A) -> float:
        """Query one architecture: return the loss of one training, in the landscape's unit."""
        if architecture in self.seen:
            self._repeats += 1
            if self._repeats > CIRCLES:
                raise Spent
            return self.seen[architecture]
        if len(self.seen) >= self.budget:
            raise Spent
        self._repeats = 0
        losses = self.landscape.losses(architecture)
        luck = self._luck[self.landscape.index[architecture]]
        loss = self.seen[architecture] = float(losses[int(luck * len(losses))])
        best = self.incumbents[-1] if self.incumbents else architecture
        self.incumbents.append(architecture if loss < self.seen[best] else best)
        return loss

    def unseen(self, architecture: A) -> list[A]:
        """Return the neighbours that have not been queried."""
        return [b for b in self.landscape.neighbours(architecture) if b not in self.seen]

    def draw(self, rng: np.random.Generator) -> A:
        """Draw an architecture of the table uniformly, whether it has been queried or not."""
        return self.landscape.architectures[int(rng.integers(len(self.landscape.architectures)))]


Search = Callable[[Queries[A], np.random.Generator], None]


def explore(search: Search[A], landscape: Landscape[A], budget: int, seed: int) -> Queries[A]:
    """Run a search until its budget is spent or it ends.

    Args:
        search: the search; it gets the queries and a random generator.
        landscape: the table.
        budget: the number of new queries.
        seed: the seed of the search and of the table's draws.

    Returns:
        The queries with what the search has seen.
    """
    queries = Queries(landscape, budget, seed)
    with suppress(Spent):
        search(queries, generator("landscape_search", seed))
    return queries
