"""A tabulated landscape: architectures, their neighbours, the losses of their trainings.

A search asks by `Queries`, which counts: one query is one training of one architecture.
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
CIRCLES = 10_000


class Spent(Exception):
    """The query budget of a search is used up."""


@dataclass(frozen=True)
class Landscape(Generic[A]):
    """What a search may know of a table.

    `neighbours(a)`: the architectures one edit away, symmetric, without a itself. `losses(a)`: the
    validation loss of every tabulated training of a (its seeds), lower is better, in any unit; one
    number where there is one training."""

    architectures: Sequence[A]
    neighbours: Callable[[A], Sequence[A]]
    losses: Callable[[A], Sequence[float]]

    @cached_property
    def index(self) -> dict[A, int]:
        return {a: i for i, a in enumerate(self.architectures)}

    def value(self, architecture: A) -> float:
        """Mean loss over all trainings: for reports, never for searches."""
        return float(np.mean(self.losses(architecture)))


class Queries(Generic[A]):
    """The only door from a search to the losses, with `budget` new queries.

    Which of its trainings an architecture shows is drawn once a run, from (seed, architecture), so
    that all searches of one seed see the same table. A repeated query gives the recorded loss and
    costs nothing: the same training would be run again. Raises Spent at the first query past the
    budget, and after 10,000 repeats in a row, when a search goes in circles."""

    def __init__(self, landscape: Landscape[A], budget: int, seed: int) -> None:
        self.landscape, self.budget = landscape, min(budget, len(landscape.architectures))
        self.seen: dict[A, float] = {}
        self.incumbents: list[A] = []
        self._luck = generator("landscape", seed).random(len(landscape.architectures))
        self._repeats = 0

    def __call__(self, architecture: A) -> float:
        """The loss of one training, in the landscape's unit."""
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
        """The neighbours that have not been queried."""
        return [b for b in self.landscape.neighbours(architecture) if b not in self.seen]

    def draw(self, rng: np.random.Generator) -> A:
        """A uniform architecture of the table, seen or not."""
        return self.landscape.architectures[int(rng.integers(len(self.landscape.architectures)))]


Search = Callable[[Queries[A], np.random.Generator], None]


def explore(search: Search[A], landscape: Landscape[A], budget: int, seed: int) -> Queries[A]:
    """Run a search until its budget is spent or it ends; `incumbents` of the result has an entry a
    query: the architecture of the lowest loss seen so far."""
    queries = Queries(landscape, budget, seed)
    with suppress(Spent):
        search(queries, generator("landscape_search", seed))
    return queries
