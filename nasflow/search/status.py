"""The facts that a stage reports in its status.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nasflow.architecture.architecture import Architecture
from nasflow.config.kinds import Template
from nasflow.deployment.figures import figures
from nasflow.search.ends import RoundEnd

if TYPE_CHECKING:  # it needs torch, and stages that only move facts start without torch
    from nasflow.search.round import Round

Fact = bool | int | float | str | None
Totals = dict[str, float]  # what a search took so far, under the names of the keys of its budget
NO_TOTALS: Totals = {"seconds": 0.0, "network_epochs": 0.0, "architectures": 0, "recentred": 0}
SIZES = ("conv_layers", "parameters", "flops")


def size(g: Architecture) -> dict[str, int | str]:
    """Return fingerprint, convolutions, parameters, FLOPs per image, and bytes where it is used."""
    return {"fingerprint": g.fingerprint, **_sizes(g), **figures(g)}


def _sizes(g: Architecture) -> dict[str, int]:
    return {"conv_layers": len(g.convs), "parameters": g.parameters, "flops": g.flops}


def no_search(pretrained: Mapping[str, float]) -> Totals:
    """Return the totals of a search without rounds.

    Args:
        pretrained: facts about the pretrained network, its sizes among them.
    """
    none = {
        "unmoved": 0,
        "rounds": 0,
        "steps": 0,
        "cycles": 0.0,
        "epochs": 0.0,
        "exhausted": 0,
        "diverged": 0,
    }
    return NO_TOTALS | none | {name: pretrained[name] for name in SIZES}


def round_totals(
    result: Round,
    before: Mapping[str, float],
    number: int,
    cycle: float,
    epoch: int,
    *,
    last: bool = False,
) -> Totals:
    """Return what a search took up to the end of a round; the seconds of the round are missing.

    Args:
        result: the round.
        before: the totals before it.
        number: the number of the round, from 1.
        cycle: length of a cosine cycle, steps.
        epoch: steps in which every training image is seen once.
        last: whether the algorithm has no further round.
    """
    return {
        "seconds": before["seconds"],
        "rounds": number,
        "steps": result.k,
        "cycles": result.k / cycle,
        "epochs": result.k / epoch,
        "network_epochs": before["network_epochs"] + result.network_steps / epoch,
        "architectures": before["architectures"] + len(result.architectures) - 1,
        "recentred": before["recentred"] + bool(result.winner),
        "unmoved": 0 if result.winner or of_portfolio(result) else before.get("unmoved", 0) + 1,
        "exhausted": int(last or result.reason == RoundEnd.EXHAUSTED),
        "diverged": int(result.reason == RoundEnd.DIVERGED),
        **_sizes(result.network.architecture),
    }


def round_status(
    result: Round, names: Mapping[str, Fact], stage: str = "search_round"
) -> dict[str, Fact]:
    """Return how a round ended.

    Args:
        result: the round.
        names: algorithm, seed and number of the round.
        stage: search_round, or prune_round.
    """
    g, won = result.network.architecture, result.architectures[result.winner]
    return {
        "schema": 1,
        "stage": stage,
        **names,
        "reason": result.reason,
        "winner": result.winner,
        "morphism": won["morphism"],
        "site": won["site"],
        "steps": result.steps,
        "network_steps": result.network_steps,
        "k": result.k,
        "children": len(result.architectures) - 1,
        "died": sum(row["died_of"] not in (None, "behind") for row in result.architectures),
        **size(g),
        "validation_loss": result.validation_loss,
        "validation_accuracy": result.validation_accuracy,
        "portfolio": of_portfolio(result),
        **_lead(result),
    }


def of_portfolio(result: Round) -> bool:
    """Return True for the round that chooses in a portfolio: its children are templates."""
    return any(row["morphism"] in set(Template) for row in result.architectures)


def _lead(result: Round) -> dict[str, Fact]:
    """Return by how many nats the winner led the centre when the round ended, and how sure that is.

    In the round of a portfolio it is the lead that was predicted. Both are None where the centre
    stayed or was not measured. The standard error is None where there is none, as in the baselines,
    whose networks are measured once on all validation images.
    """
    nodes = result.architectures
    centre, won = nodes[0]["validation_loss"], nodes[result.winner]["validation_loss"]
    if not result.winner or not isinstance(centre, float) or not isinstance(won, float):
        return {"lead": None, "lead_error": None}
    last = {row["node"]: row for row in result.particles[-len(nodes) :]}.get(result.winner, {})
    error, trend = last.get("standard_error"), last.get("trend") or 0.0
    known = isinstance(error, float) and math.isfinite(error)
    lead = centre - won - float(trend) if nodes[0]["died_of"] is None else math.nan
    if not math.isfinite(lead):
        return {"lead": None, "lead_error": None}
    return {"lead": lead, "lead_error": error if known else None}
