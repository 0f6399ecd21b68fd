"""What makes a round, and what comes out: values that NASGD, NASAGD and the baselines share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nasflow.network.network import Network
from nasflow.search.history import Row
from nasflow.training.batches import Split
from nasflow.training.ranks import ALONE, Ranks

Progress = Callable[[int, int, str], None]  # steps done, at most, a word on them


class Limits(NamedTuple):
    """What may end a round besides the stop rule: steps, steps of all networks added up, and
    seconds left of the search's budget."""

    steps: float = float("inf")
    network_steps: float = float("inf")
    seconds: float = float("inf")


class Setting(NamedTuple):
    """What makes a round besides its parent and k: `search` and `augment` hold the keys of
    config.Search and config.Augment, `number` counts the rounds of a search from 1."""

    algorithm: str
    search: dict[str, Any]
    augment: dict[str, Any]
    train: Split
    validation: Split
    seed: int
    number: int
    workers: int
    limits: Limits = Limits()
    ranks: Ranks = ALONE


class Round(NamedTuple):
    """The network that goes on, why the round ended, and its records; `network_steps` are those of
    all networks added up."""

    network: Network
    winner: int
    reason: str
    steps: int
    network_steps: int
    k: int
    particles: list[Row]
    architectures: list[Row]
    validation_loss: float
    validation_accuracy: float
