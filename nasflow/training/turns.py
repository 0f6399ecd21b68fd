"""How many steps each sibling makes at a time, so that all take equally many seconds or FLOPs.

At equal steps a dear network looks better than it is, because it is compared at equal time in the
end. Here the dearest sibling makes one step at a time, and one that costs a third of it makes
three. Validation takes place after each such turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nasflow.config.kinds import Equal
from nasflow.network.network import Network
from nasflow.particles.flow import Vector
from nasflow.training.sibling import Batch, Stream
from nasflow.training.siblings import Siblings

IGNORED, MEASURED = 2, 8  # turns of one step each that are not measured, and that are
MOST = 16  # steps in one turn; a sibling that is cheaper still gets less than its part


class Turns:
    """The turns of siblings.

    Args:
        costs: what a step of each sibling costs, in any unit, (m,); None measures seconds.
        m: the number of siblings.
        seconds: tells the seconds that each sibling has taken so far, (m,); needed to measure.

    Attributes:
        made: the training steps that each sibling has made, int (m,).
        out: the siblings that make no steps any more, bool (m,).
    """

    def __init__(
        self, m: int, costs: Vector | None, seconds: Callable[[], Vector] | None = None
    ) -> None:
        self._costs, self._seconds = costs, seconds
        self._turns, self._from = 0, np.zeros(m, dtype=np.int64)
        self._begun = np.zeros(m)
        self.made, self.out = np.zeros(m, dtype=np.int64), np.zeros(m, dtype=bool)

    def next(self) -> np.ndarray:
        """Begin a turn: return how many steps each sibling makes in it, int (m,).

        It is at least one, and 0 for siblings that are out."""
        if self._costs is None:
            self._measure()
        if self._costs is None:
            due = np.ones_like(self.made)
        else:
            ratio = np.minimum(self._costs.max() / self._costs, MOST)
            due = np.floor((self._turns + 1) * ratio + 1e-9).astype(np.int64) + self._from
            due = np.maximum(due - self.made, 1)
        due = np.where(self.out, 0, due)
        self._turns += 1
        self.made = self.made + due
        return due

    def _measure(self) -> None:
        """Take the seconds since the first turns as costs, once there are enough turns."""
        assert self._seconds is not None
        if self._turns == IGNORED:
            self._begun = self._seconds()
        if self._turns == IGNORED + MEASURED:
            self._costs = np.maximum(self._seconds() - self._begun, 1e-9)
            self._turns, self._from = 0, self.made.copy()

    def batches(
        self, streams: Sequence[Stream], first: int, due: np.ndarray, number: int, only: np.ndarray
    ) -> list[Batch]:
        """Draw a batch for each sibling; its n-th step has the batch that the n-th of others has.

        Args:
            streams: one sequence of batches for all siblings, or one for each.
            first: the global step at which the siblings began.
            due: what `next` returned for this turn.
            number: which step of the turn, from 0; the last step of all siblings is the same one.
            only: the siblings that make this step, bool (m,).

        Returns:
            One batch for each sibling; a sibling that makes no step has that of another.
        """
        last = number == due.max() - 1
        at = self.made - 1 if last else self.made - due + number
        drawn: dict[int, Batch] = {}
        for i in np.flatnonzero(only).tolist():
            drawn[i] = streams[i % len(streams)](first + int(at[i]))
        spare = next(iter(drawn.values()))
        return [drawn.get(i, spare) for i in range(len(due))]

    def state(self) -> dict[str, np.ndarray]:
        """Return all that later turns depend on, for `restore`."""
        costs = np.zeros(0) if self._costs is None else self._costs
        return {
            **{"costs": costs, "turns": np.array(self._turns), "from": self._from},
            **{"begun": self._begun, "made": self.made},
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what `state` returned; seconds that were not measured yet are so anew."""
        self._turns, self._from = int(state["turns"]), state["from"].copy()
        self._begun, self.made = state["begun"].copy(), state["made"].copy()
        if len(state["costs"]):
            self._costs = state["costs"].copy()
        elif self._turns > IGNORED:
            self._turns = IGNORED  # the seconds of the earlier attempt are lost


def turns_of(live: Siblings, networks: Sequence[Network], equal: Equal) -> Turns | None:
    """Make the turns that give all siblings the same seconds or FLOPs; None for equal steps.

    Args:
        live: the siblings, which tell the seconds that they take.
        networks: the same networks, whose FLOPs are counted.
        equal: what they get alike.
    """
    if equal == Equal.STEPS:
        return None
    flops = np.array([float(n.architecture.flops) for n in networks])
    measured = equal == Equal.SECONDS
    return Turns(len(networks), None if measured else flops, lambda: live.seconds)
