"""The facts that a stage reports in its status.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nasflow.architecture.architecture import Architecture

if TYPE_CHECKING:  # it needs torch, and those who only move facts start without
    from nasflow.search.round import Round

NO_TOTALS = {"seconds": 0.0, "network_epochs": 0.0, "architectures": 0, "recentred": 0}


def size(g: Architecture) -> dict[str, Any]:
    """Fingerprint, convolutions, parameters and FLOPs an image."""
    return {
        "fingerprint": g.fingerprint,
        "conv_layers": len(g.convs),
        "parameters": g.parameters,
        "flops": g.flops,
    }


def no_search(pretrained: Mapping[str, Any]) -> dict[str, Any]:
    """The totals of a search without rounds; `pretrained` holds the `size` of its network."""
    none = {"rounds": 0, "steps": 0, "cycles": 0.0, "epochs": 0.0, "exhausted": 0, "diverged": 0}
    return NO_TOTALS | none | {k: pretrained[k] for k in ("conv_layers", "parameters", "flops")}


def round_status(
    result: Round, before: dict[str, Any], names: dict[str, Any], cycle: float, epoch: int
) -> dict[str, Any]:
    """A round's end, and the totals of the search so far (those before it plus its own).

    `cycle` and `epoch` are lengths in steps."""
    g, won = result.network.architecture, result.architectures[result.winner]
    children = len(result.architectures) - 1
    totals = {
        "rounds": names["round"],
        "steps": result.k,
        "cycles": result.k / cycle,
        "epochs": result.k / epoch,
        "network_epochs": before["network_epochs"] + result.network_steps / epoch,
        "architectures": before["architectures"] + children,
        "recentred": before["recentred"] + bool(result.winner),
        "exhausted": int(result.reason == "exhausted"),
        "diverged": int(result.reason == "diverged"),
        **{key: value for key, value in size(g).items() if key != "fingerprint"},
    }
    return {
        "schema": 1,
        "stage": "search_round",
        **names,
        "reason": result.reason,
        "winner": result.winner,
        "morphism": won["morphism"],
        "site": won["site"],
        "steps": result.steps,
        "network_steps": result.network_steps,
        "k": result.k,
        "children": children,
        "died": sum(row["died_at"] is not None for row in result.architectures),
        **size(g),
        "validation_loss": result.validation_loss,
        "validation_accuracy": result.validation_accuracy,
        "totals": totals,
    }
