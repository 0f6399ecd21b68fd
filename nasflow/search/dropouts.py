"""Siblings that are given up in a round: when, and of what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nasflow.particles.flow import Vector

CAUSES = ("", "training loss", "validation loss", "weights", "memory")
WORSE = 10.0  # nats above the worst that lives


class Deaths:
    """`at`, `of` (m,): the step of the round, from 1, after which a sibling was given up (0: it
    lives), and which of CAUSES was not finite, or that memory ran out. There is no way back."""

    def __init__(self, m: int) -> None:
        self.at, self.of = np.zeros(m, dtype=np.int64), np.zeros(m, dtype=np.int64)

    def state(self) -> dict[str, np.ndarray]:
        return {"at": self.at, "of": self.of}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.at, self.of = state["at"].copy(), state["of"].copy()

    @property
    def dead(self) -> np.ndarray:
        """(m,) bool"""
        gone: np.ndarray = self.at > 0
        return gone

    def note(self, step: int, cause: str, found: np.ndarray) -> None:
        """Those of `found` (m,) that lived until now died of `cause` at `step`."""
        new = found & ~self.dead
        self.at[new], self.of[new] = step, CAUSES.index(cause)

    def judged(self, losses: Vector) -> Vector:
        """Losses with those of the dead WORSE than that of any that lives; one does at least."""
        return np.where(self.dead, losses[~self.dead].max() + WORSE, losses)

    def heir(self, V: Vector) -> int:
        """Of those that live, the one with the lowest loss."""
        return int(np.argmin(np.where(self.dead, np.inf, V)))

    def row(self, node: int) -> dict[str, Any]:
        """A node's columns of architectures.parquet, null while it lives."""
        if not self.at[node]:
            return {"died_at": None, "died_of": None}
        return {"died_at": int(self.at[node]), "died_of": CAUSES[self.of[node]]}
