"""Siblings that drop out of a round: when each did, and why.

A sibling drops out when it diverges or runs out of memory, and, where `search.retire` is set, when
it has fallen behind for good (module `retiring`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nasflow.particles.flow import Vector
from nasflow.search.round import Row
from nasflow.training.siblings import Siblings

CAUSES = ("", "training loss", "validation loss", "weights", "memory", "behind")
WORSE = 10.0  # nats above the worst sibling that trains on


class Dropouts:
    """Which siblings are out of a round; there is no way back.

    Args:
        m: number of siblings.

    Attributes:
        at: the step of the round, from 1, after which a sibling dropped out; 0 for none, (m,).
        of: the index in CAUSES of why it dropped out; 0 for none, (m,).
    """

    def __init__(self, m: int) -> None:
        self.at, self.of = np.zeros(m, dtype=np.int64), np.zeros(m, dtype=np.int64)

    def state(self) -> dict[str, np.ndarray]:
        """Return `at` and `of`, for `restore`."""
        return {"at": self.at, "of": self.of}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what `state` returned."""
        self.at, self.of = state["at"].copy(), state["of"].copy()

    @property
    def out(self) -> np.ndarray:
        """The siblings that are out, bool (m,)."""
        gone: np.ndarray = self.at > 0
        return gone

    @property
    def everyone(self) -> bool:
        """Whether no sibling is left."""
        return bool(self.out.all())

    def note(self, step: int, cause: str, found: np.ndarray) -> None:
        """Let siblings drop out.

        Args:
            step: the step of the round, from 1.
            cause: one of CAUSES.
            found: the siblings that it happened to, bool (m,); those that are out already stay as
                they were noted.
        """
        new = found & ~self.out
        self.at[new], self.of[new] = step, CAUSES.index(cause)

    def note_step(
        self, step: int, live: Siblings, train_loss: Vector, validation_loss: Vector | None = None
    ) -> None:
        """Let siblings drop out whose step ran out of memory or gave a loss that is not finite.

        Args:
            step: the step of the round, from 1.
            live: the siblings; those that are out rest from now on.
            train_loss: the training losses of the step, (m,).
            validation_loss: the validation losses of the step, (m,); None without validation.
        """
        self.note(step, "memory", live.starved)
        self.note(step, "training loss", ~np.isfinite(train_loss))
        if validation_loss is not None:
            self.note(step, "validation loss", ~np.isfinite(validation_loss))
        live.rest(self.out)

    def filled(self, losses: Vector) -> Vector:
        """Return losses, (m,), with a high value in the place of those of siblings that are out.

        It lies WORSE nats above the largest loss of the others, of which at least one must be left.
        """
        return np.where(self.out, losses[~self.out].max() + WORSE, losses)

    def heir(self, V: Vector) -> int:
        """Return the sibling with the lowest loss among those that are left."""
        return int(np.argmin(np.where(self.out, np.inf, V)))

    def row(self, node: int) -> Row:
        """Return a node's columns of architectures.parquet, which are null while it trains."""
        if not self.at[node]:
            return {"died_at": None, "died_of": None}
        return {"died_at": int(self.at[node]), "died_of": CAUSES[self.of[node]]}
