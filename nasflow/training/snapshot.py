"""What a loop needs to go on after a step as if it had never stopped, and who keeps it.

The loops know no files: a keeper says what stands there from before and decides when to keep more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from nasflow.network.network import Tensors

Arrays = Mapping[str, np.ndarray]


class Snapshot(NamedTuple):
    """A loop after `step` steps of its own: `facts` are plain data, `siblings` all tensors of each
    sibling that the next step reads."""

    step: int
    facts: dict[str, Any]
    arrays: Arrays
    siblings: list[Tensors]


class Keeper(Protocol):
    def before(self, siblings: Sequence[str], below: float) -> Snapshot | None:
        """What an earlier attempt left: of siblings with these fingerprints, after fewer than
        `below` steps. Asked once, before the first step."""

    def keep(self, step: int, make: Callable[[], Snapshot]) -> None:
        """Offered after every step but the last; `make` is called when it is time. May raise to
        end the loop."""


class Forgetful:
    """Keeps nothing."""

    def before(self, siblings: Sequence[str], below: float) -> Snapshot | None:
        return None

    def keep(self, step: int, make: Callable[[], Snapshot]) -> None:
        pass


FORGETFUL = Forgetful()


def flat(**groups: Arrays) -> dict[str, np.ndarray]:
    """Several groups of arrays as one: {"group.name": array}."""
    return {f"{group}.{name}": a for group, part in groups.items() for name, a in part.items()}


def group(arrays: Arrays, name: str) -> dict[str, np.ndarray]:
    """One group of `flat`'s."""
    start = name + "."
    return {key.removeprefix(start): a for key, a in arrays.items() if key.startswith(start)}
