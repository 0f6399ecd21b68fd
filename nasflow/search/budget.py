"""The stop policy of a search: a pure function of facts that the rounds report."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nasflow.config.experiment import Budget, algorithm_of


def finished(budget: Budget, totals: Mapping[str, float]) -> str | None:
    """The first bound of the budget that `totals` (rounds, steps, cycles, epochs, network_epochs,
    seconds, conv_layers, parameters, flops) has reached, or None; `children` where none
    is legal any more, `diverged` where every network of the last round did."""
    if totals.get("exhausted"):
        return "children"
    if totals.get("diverged"):
        return "diverged"
    for field in dataclasses.fields(budget):
        bound = getattr(budget, field.name)
        if bound is not None and totals[field.name] >= bound:
            return field.name
    return None


def rounds_wanted(algorithm: str, budget: Budget) -> bool:
    """Whether there is a search at all: `none` is the base net with the whole budget, and a budget
    of no rounds means the same."""
    return algorithm_of(algorithm) != "none" and budget.rounds != 0


def network_steps_left(budget: Budget, spent: float, epoch: int) -> float:
    """Steps of all networks added up that remain once `spent` network epochs are."""
    if budget.network_epochs is None:
        return float("inf")
    return (budget.network_epochs - spent) * epoch


def steps_left(budget: Budget, k: int, cycle: float, epoch: float) -> float:
    """Steps that remain at global step k by the bounds that count steps; infinite without one."""
    bounds = [
        (budget.steps, 1.0),
        (budget.cycles, cycle),
        (budget.epochs, epoch),
    ]
    return min((b * unit - k for b, unit in bounds if b is not None), default=float("inf"))
