"""When a search ends: pure functions of its budget and of what its rounds report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from nasflow.config.budget import Budget
from nasflow.config.compare import algorithm_of
from nasflow.config.kinds import FIXED, Algorithm
from nasflow.config.search import Search
from nasflow.search.ends import SearchEnd


class Limits(NamedTuple):
    """What may end a round besides its stop rule: what is left of the budget of the search.

    Attributes:
        steps: training steps, where a step of all siblings counts once.
        network_steps: training steps, where a step of m siblings counts m times.
        seconds: seconds of wall clock.
    """

    steps: float = float("inf")
    network_steps: float = float("inf")
    seconds: float = float("inf")


def finished(budget: Budget, totals: Mapping[str, float]) -> SearchEnd | None:
    """Tell whether a search is over.

    Args:
        budget: its bounds.
        totals: what the rounds so far took and what size the centre has, under the names of the
            budget's keys; `exhausted` and `diverged` are 1 where the last round ended so, and
            `needed` are the seconds without which a next round cannot move (`seconds_needed`), and
            `unmoved` counts the last rounds in a row that did not move the centre.

    Returns:
        The first reason to end that holds, or None while the search goes on.
    """
    if totals.get("exhausted"):
        return SearchEnd.CHILDREN
    if totals.get("diverged"):
        return SearchEnd.DIVERGED
    for name, bound in budget:
        needed = totals.get("needed", 0.0) if name == "seconds" else 0.0
        if bound is not None and _reached(name, totals) + needed >= bound:
            return SearchEnd(name)
    return None


def _reached(name: str, totals: Mapping[str, float]) -> float:
    """Return the total that a bound is compared with.

    Rounds of an older nasflow do not say how many rounds before them did not move.
    """
    return totals.get("unmoved", 0.0) if name == SearchEnd.PATIENCE else totals[name]


def seconds_needed(search: Search, networks: int, steps: int, seconds: float) -> float:
    """Estimate the seconds that a next round takes before its particles may move.

    A round that gets less than this costs time and cannot change anything, so it is not begun.

    Args:
        search: the section of the round.
        networks: how many networks the round before had.
        steps: its steps, where a step of all siblings counts once.
        seconds: what it took.
    """
    if not steps:
        return 0.0
    return seconds / (steps * networks) * (search.n_neigh + 1) * (search.warmup_steps + 1)


def rounds_wanted(method: str, budget: Budget) -> bool:
    """Tell whether there is a search at all.

    The algorithm `none` gives the base net the whole budget, and a budget of 0 rounds means the
    same. A fixed network has no rounds either.

    Args:
        method: an algorithm or an ablation, such as `nasgd-log`.
        budget: the bounds of the search.
    """
    return algorithm_of(method) not in (Algorithm.NONE, *FIXED) and budget.rounds != 0


def epoch_steps(search: Search, images: int) -> int:
    """Return the number of steps in which each of so many training images is seen once."""
    return images // search.batch_size


def cycle_steps(search: Search, images: int) -> float:
    """Return the length of a cosine cycle in steps."""
    return search.epochs_neigh * epoch_steps(search, images)


def limits(
    budget: Budget,
    search: Search,
    images: int,
    k: int,
    totals: Mapping[str, float],
    earlier: float = 0.0,
) -> Limits:
    """Tell what a round may take.

    Args:
        budget: the bounds of the search.
        search: the section of the round.
        images: number of training images.
        k: the global step at which the round begins.
        totals: what the rounds before it took.
        earlier: seconds of this round before it was interrupted.

    Returns:
        What is left of each bound; infinity without a bound.
    """
    epoch = epoch_steps(search, images)
    seconds = float("inf") if budget.seconds is None else budget.seconds
    return Limits(
        _steps_left(budget, k, cycle_steps(search, images), epoch),
        _network_steps_left(budget, totals["network_epochs"], epoch),
        seconds - totals["seconds"] - earlier,
    )


def _network_steps_left(budget: Budget, spent: float, epoch: int) -> float:
    if budget.network_epochs is None:
        return float("inf")
    return (budget.network_epochs - spent) * epoch


def _steps_left(budget: Budget, k: int, cycle: float, epoch: float) -> float:
    """Return how many steps the budget leaves at global step k; infinity without such a bound."""
    bounds = [
        (budget.steps, 1.0),
        (budget.cycles, cycle),
        (budget.epochs, epoch),
    ]
    return min((b * unit - k for b, unit in bounds if b is not None), default=float("inf"))
