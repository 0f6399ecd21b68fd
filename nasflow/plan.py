"""The stop policy of a search: a pure function of facts that the rounds report."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nasflow.config import Budget


def finished(budget: Budget, totals: Mapping[str, float]) -> str | None:
    """The first bound of the budget that `totals` (rounds, steps, cycles, epochs, seconds,
    conv_layers, parameters, flops) has reached, or None; `children` where none
    is legal any more."""
    if totals.get("exhausted"):
        return "children"
    for field in dataclasses.fields(budget):
        bound = getattr(budget, field.name)
        if bound is not None and totals[field.name] >= bound:
            return field.name
    return None


def steps_left(budget: Budget, k: int, cycle: float, epoch: float) -> float:
    """Steps that remain at global step k by the bounds that count steps; infinite without one."""
    bounds = [
        (budget.steps, 1.0),
        (budget.cycles, cycle),
        (budget.epochs, epoch),
    ]
    return min((b * unit - k for b, unit in bounds if b is not None), default=float("inf"))
