"""How a round is put together from the configuration, in the pipeline and in memory alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from nasflow.config.base import Base
from nasflow.config.baselines import Baselines
from nasflow.config.budget import Budget
from nasflow.config.data import Augment
from nasflow.config.kinds import BASELINES, PARTICLES, STARTS, Algorithm
from nasflow.config.prune import Prune
from nasflow.config.search import Search
from nasflow.deployment.latency_table import LatencyTable
from nasflow.network.network import Network, at_rest
from nasflow.search import baselines
from nasflow.search.budget import Limits, limits
from nasflow.search.particle_round import run_round
from nasflow.search.race import race
from nasflow.search.round import RoundFunction, Setting
from nasflow.training.batches import Split
from nasflow.training.ranks import ALONE, Ranks


class Sections(NamedTuple):
    """The sections of the configuration that determine a round.

    Attributes:
        search: the section `search`.
        baselines: the section `baselines`.
        augment: the section `augment`.
        base: the section `base`, whose portfolio is that of the first round.
        prune: the section `prune`, where the rounds are prune rounds.
    """

    search: Search
    baselines: Baselines
    augment: Augment
    base: Base = Base()
    prune: Prune | None = None

    def of(self, algorithm: Algorithm) -> Search:
        """Return `search`, in which the keys of another section take its values.

        It is `prune` in a prune round, and otherwise `baselines` for a baseline."""
        if self.prune is not None:
            return self.prune.over(self.search)
        return self.baselines.over(self.search) if algorithm in BASELINES else self.search


class Begin(NamedTuple):
    """Where a round begins.

    Attributes:
        number: the number of the round in its search, from 1.
        k: the global step.
        totals: what the rounds before it took (`status.round_totals`).
        earlier: seconds of this round before it was interrupted.
    """

    number: int
    k: int
    totals: Mapping[str, float]
    earlier: float = 0.0


ROUNDS: dict[Algorithm, RoundFunction] = {
    Algorithm.NASGD: run_round,
    Algorithm.NASAGD: run_round,
    Algorithm.NASH: baselines.nash,
    Algorithm.NASGRAPH: baselines.nasgraph,
    Algorithm.RANDOM: baselines.random,
    Algorithm.HALVING: baselines.halving,
    Algorithm.MOST_FLOPS: baselines.most_flops,
    Algorithm.RACE: race,
}


# The last round of an algorithm that has only so many: the race is one round, and most_flops moves
# as often as a search of NASGD does in six minutes.
LAST = {Algorithm.RACE: 1, Algorithm.MOST_FLOPS: 2}
PRUNING = 10**9  # what the number of a prune round is raised by where random numbers depend on it


def round_function(algorithm: Algorithm) -> RoundFunction:
    """Return the function that runs one round of an algorithm.

    Raises:
        ValueError: if the algorithm has no rounds.
    """
    if algorithm not in ROUNDS:
        raise ValueError(f"algorithm: {algorithm}; expected one of {', '.join(ROUNDS)}")
    return ROUNDS[algorithm]


def pruning_algorithm(algorithm: Algorithm) -> Algorithm:
    """Return the algorithm of the prune rounds behind the search of another: one with particles."""
    return algorithm if algorithm in PARTICLES else Algorithm.NASGD


def round_setting(
    algorithm: Algorithm,
    sections: Sections,
    budget: Budget,
    begin: Begin,
    train: Split,
    validation: Split,
    *,
    seed: int,
    workers: int,
    ranks: Ranks = ALONE,
    latency: LatencyTable | None = None,
) -> Setting:
    """Put together what makes a round.

    Args:
        algorithm: nasgd, nasagd or a baseline.
        sections: the sections of the configuration that a round needs.
        budget: the bounds of the search.
        begin: where the round begins.
        train: the training images.
        validation: the images by whose losses children are compared.
        seed: the seed of the search.
        workers: threads of this process.
        ranks: the processes that share the round.
        latency: predicts how long networks take; None where no round needs to know it.

    Returns:
        The setting, with what is left of the budget.
    """
    search, pruning = sections.of(algorithm), sections.prune is not None
    first = begin.number == 1 and not pruning
    return Setting(
        algorithm,
        search,
        sections.augment,
        train,
        validation,
        seed=seed,
        number=begin.number + PRUNING * pruning,
        workers=workers,
        limits=_limits(sections, search, budget, begin, len(train)),
        ranks=ranks,
        baselines=sections.baselines,
        portfolio=sections.base.portfolio if first and algorithm in STARTS else (),
        part=sections.base.portfolio_part,
        forecast=sections.base.portfolio_forecast,
        latency=latency,
        pruning=pruning,
    )


def _limits(
    sections: Sections, search: Search, budget: Budget, begin: Begin, images: int
) -> Limits:
    """Return what the budget of the search leaves, or the seconds of a prune round."""
    left = limits(budget, search, images, begin.k, begin.totals, begin.earlier)
    if sections.prune is not None and sections.prune.seconds is not None:
        return left._replace(seconds=sections.prune.seconds - begin.earlier)
    return left


def entering(network: Network, optimizer: str, search: Search) -> Network:
    """Return a network as it enters a round.

    Its velocities are set to zero if the round has another optimizer, to which they mean nothing.

    Args:
        network: the network of the round before, or of the pretraining.
        optimizer: the name of the optimizer that its velocities belong to.
        search: the section of the round.
    """
    return network if optimizer == search.optimizer else at_rest(network)
