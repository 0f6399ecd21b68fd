"""What a training loop needs to go on after a step as if it had never stopped, and who keeps it.

The loops open no files: a keeper tells them what an earlier attempt left, and decides when to keep
more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from nasflow.network.network import Tensors

Arrays = Mapping[str, np.ndarray]


class Memory(NamedTuple):
    """What the user of a loop remembers.

    Attributes:
        facts: plain data, which is kept as JSON.
        arrays: numpy arrays by name, which are kept exactly.
    """

    facts: Mapping[str, Any]
    arrays: Arrays


class Snapshot(NamedTuple):
    """A loop between two steps.

    Attributes:
        step: the number of steps that the loop has made.
        facts: plain data that the user of the loop remembers.
        arrays: arrays that the user of the loop remembers.
        siblings: for each sibling all tensors that the next step reads.
    """

    step: int
    facts: Mapping[str, Any]
    arrays: Arrays
    siblings: list[Tensors]


class Keeper(Protocol):
    """Keeps snapshots of one stage."""

    def before(self, siblings: Sequence[str], below: float) -> Snapshot | None:
        """Return what an earlier attempt left, or None. Called once, before the first step.

        Args:
            siblings: fingerprints that the kept siblings must have.
            below: the kept state must have fewer steps than this.

        Returns:
            The snapshot that the loop goes on from, or None to begin anew.
        """

    def keep(self, step: int, make: Callable[[], Snapshot]) -> None:
        """Decide whether to keep a snapshot. Called after every step but the last.

        Args:
            step: the number of steps made.
            make: makes the snapshot; called only when it is time.

        Raises:
            Exception: a kind of the keeper's own, to end the loop (after a signal, for example).
        """


class Forgetful:
    """A keeper that keeps nothing."""

    def before(self, siblings: Sequence[str], below: float) -> Snapshot | None:
        """Return None, because nothing was kept."""
        return None

    def keep(self, step: int, make: Callable[[], Snapshot]) -> None:
        """Do nothing."""


FORGETFUL = Forgetful()


def flat(**groups: Arrays) -> dict[str, np.ndarray]:
    """Join several groups of arrays into one: {"group.name": array}."""
    return {f"{group}.{name}": a for group, part in groups.items() for name, a in part.items()}


def group(arrays: Arrays, name: str) -> dict[str, np.ndarray]:
    """Take one group out of the arrays that `flat` returned: {"name": array}."""
    start = name + "."
    return {key.removeprefix(start): a for key, a in arrays.items() if key.startswith(start)}
