"""A training step that was launched, and whose losses the host has not read yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from nasflow.particles.flow import Matrix
from nasflow.training.cuda_graph import Reading
from nasflow.training.local_siblings import Outcome
from nasflow.training.ranks import Ranks


class Launched(NamedTuple):
    """A step of the siblings of a round.

    Attributes:
        mine: the siblings of this rank that make the step.
        idle: the siblings of the round that do not make it, bool (m,).
        whole: whether it is a step of all siblings that do not rest.
        read: waits for the step and returns one row for each sibling of `mine`.
    """

    mine: list[int]
    idle: np.ndarray
    whole: bool
    read: Callable[[], Sequence[Outcome]]

    def table(self, ranks: Ranks) -> Matrix:
        """Wait for the step and return the outcome of each sibling of the round, the same on all
        ranks: (m, 4), zeros for siblings that make no step."""
        rows = dict(zip(self.mine, self.read(), strict=True))
        return ranks.merge(rows, len(self.idle), len(Outcome._fields))


def reader(reading: Reading) -> Callable[[], Sequence[Outcome]]:
    """Return a function that waits for the losses of a CUDA graph.

    A graph tells neither the seconds of a sibling nor that its memory ran out."""
    return partial(_outcomes, reading)


def _outcomes(reading: Reading) -> list[Outcome]:
    return [Outcome(trained, validated, 0.0, 0.0) for trained, validated in reading.wait()]
