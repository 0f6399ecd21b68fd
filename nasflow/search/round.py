"""What makes a round, and what comes out of it, for every algorithm."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from nasflow.config.baselines import Baselines
from nasflow.config.data import Augment
from nasflow.config.kinds import Algorithm, Template
from nasflow.config.search import Search
from nasflow.deployment.latency_table import LatencyTable
from nasflow.network.network import Network
from nasflow.search.budget import Limits
from nasflow.search.ends import RoundEnd
from nasflow.training.batches import Split
from nasflow.training.loop import Progress
from nasflow.training.ranks import ALONE, Ranks
from nasflow.training.snapshot import FORGETFUL, Keeper

Row = dict[str, bool | int | float | str | None]  # of a table, by column


class Setting(NamedTuple):
    """What makes a round, besides its parent and the global step at which it begins.

    Attributes:
        algorithm: nasgd, nasagd or a baseline.
        search: the section `search`; for a baseline, the values of `baselines` replace those of the
            same key.
        augment: how training images are varied.
        train: the training images, with class weights where losses have them.
        validation: the images by whose losses children are compared.
        seed: the seed of the search.
        number: the number of the round in its search, from 1.
        workers: threads of this process.
        limits: what is left of the budget.
        ranks: the processes that share the round.
        baselines: the section `baselines`.
        portfolio: in the first round, the templates that are its nodes; empty for children by
            morphisms.
        part: the part of `limits` that the round of a portfolio takes; particles move in its second
            half.
        forecast: how many times as many steps their losses are predicted for; 1 for none.
        latency: predicts how long networks take; None where neither `max_latency` nor
            `latency_weight` is set.
        pruning: whether it is a prune round: children are smaller than the centre, and at the end
            the network with the lowest energy goes on.
    """

    algorithm: Algorithm
    search: Search
    augment: Augment
    train: Split
    validation: Split
    seed: int
    number: int
    workers: int
    limits: Limits = Limits()
    ranks: Ranks = ALONE
    baselines: Baselines = Baselines()
    portfolio: tuple[Template, ...] = ()
    part: float = 0.5
    forecast: float = 1.0
    latency: LatencyTable | None = None
    pruning: bool = False


class Round(NamedTuple):
    """What comes out of a round.

    Attributes:
        network: the network that goes on, with its velocities and BatchNorm statistics.
        winner: its node; 0 is the centre, which stays.
        reason: why the round ended.
        steps: training steps, where a step of all siblings counts once.
        network_steps: training steps, where a step of m siblings counts m times.
        k: the global step after the round.
        particles: rows of particles.parquet, one for each step and node.
        architectures: rows of architectures.parquet, one for each node.
        validation_loss: the loss of the network that goes on, on the whole validation split, nats.
        validation_accuracy: the accuracy of the same network on the same images, between 0 and 1.
    """

    network: Network
    winner: int
    reason: RoundEnd
    steps: int
    network_steps: int
    k: int
    particles: list[Row]
    architectures: list[Row]
    validation_loss: float
    validation_accuracy: float


class RoundFunction(Protocol):
    """Runs one round; `particle_round.run_round` explains the arguments."""

    def __call__(
        self,
        parent: Network,
        k: int,
        setting: Setting,
        progress: Progress,
        keeper: Keeper = FORGETFUL,
    ) -> Round: ...
