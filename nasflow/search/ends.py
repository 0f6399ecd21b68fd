"""Why rounds and searches end, one enumeration for each.

A member is also the text that stands in status.json and summary.json. An unknown text raises
ValueError where it is turned into a member.
"""

from __future__ import annotations

from enum import StrEnum


class RoundEnd(StrEnum):
    """Why a round ended."""

    RECENTRED = "recentred"  # a child is the next centre
    KEPT = "kept"  # the parent is better than all its children
    MAX_STEPS = "max_steps"  # no child led within search.max_steps
    BUDGET = "budget"  # the budget of the search ended it
    EXHAUSTED = "exhausted"  # no child is possible any more
    DIVERGED = "diverged"  # every network of the round diverged
    PARENT_DIVERGED = "parent_diverged"  # the centre did, and the best child goes on


class SearchEnd(StrEnum):
    """Why a search ended: by one of the bounds of its budget, or by one of three other reasons."""

    CYCLES = "cycles"
    EPOCHS = "epochs"
    NETWORK_EPOCHS = "network_epochs"
    STEPS = "steps"
    SECONDS = "seconds"
    ROUNDS = "rounds"
    CONV_LAYERS = "conv_layers"
    PARAMETERS = "parameters"
    FLOPS = "flops"
    PATIENCE = "patience"  # so many rounds in a row did not move the centre
    CHILDREN = "children"  # no child is possible any more
    DIVERGED = "diverged"  # every network of the last round diverged
    NONE = "none"  # no round was wanted
