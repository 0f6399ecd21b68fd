"""The stages that compute nothing: they write what a search may spend, and what it found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nasflow.config.budget import Budget
from nasflow.config.reading import parse
from nasflow.config.section import plain
from nasflow.deployment.figures import NAMES
from nasflow.search.budget import finished
from nasflow.search.ends import SearchEnd
from nasflow.search.status import no_search
from nasflow.storage.ahead import discard_all
from nasflow.storage.files import read_json, write_json
from nasflow.storage.made import beside
from nasflow.storage.manifest import copy_checkpoint

LINEAGE = (
    *("round", "morphism", "site", "reason", "steps", "parameters", "flops"),
    *("validation_loss", "validation_accuracy"),
)
NEWER = ("portfolio", "lead", "lead_error", *NAMES)  # not in rounds of an older nasflow


def plan(*, config: str, out: Path) -> None:
    """Write the budget to a file, on which select_winner depends.

    Args:
        config: the section budget as JSON.
        out: file to write.
    """
    write_json(out, plain(parse(Budget, json.loads(config), "budget")))


def select_winner(
    *, algorithm: str, pretrain: Path, rounds: Sequence[Path], plan: Path, out: Path
) -> None:
    """Give the winner of the last round a fixed name, and write a summary of the search.

    Without rounds the pretrained network is the winner.

    Args:
        algorithm: the algorithm of the search.
        pretrain: status.json of the pretraining.
        rounds: folders of all rounds in order.
        plan: the budget, as `plan` wrote it.
        out: stem of the checkpoint to write; summary.json is written beside it. Its entry `spent`
            says what pretraining and search took, since a budget may cover the final training, too.
    """
    statuses = [read_json(folder / "status.json") for folder in rounds]
    budget = parse(Budget, read_json(plan), "budget")
    last = rounds[-1] / "winner" if rounds else pretrain.with_name("network")
    before = read_json(pretrain)
    totals = statuses[-1]["totals"] if rounds else no_search(before)
    winner = statuses[-1] if rounds else before
    summary = {
        "schema": 1,
        "algorithm": algorithm,
        "reason": finished(budget, totals) if rounds else SearchEnd.NONE,
        **totals,
        "spent": {
            "epochs": before["epochs"] + totals["network_epochs"],
            "seconds": before["seconds"] + totals["seconds"],
        },
        "fingerprint": winner["fingerprint"],
        **{name: winner[name] for name in NAMES if name in winner},
        **_seconds_left(budget, totals),
        "lineage": [
            {key: status[key] for key in LINEAGE}
            | {key: status[key] for key in NEWER if key in status}
            for status in statuses
        ],
    }
    with beside(out.parent, "summary.json") as new:
        copy_checkpoint(last, new / out.name)
        write_json(new / "summary.json", summary)
    discard_all(out.parent)


def _seconds_left(budget: Budget, totals: dict[str, float]) -> dict[str, float]:
    """Return what is left of the seconds of the budget; nothing without such a bound."""
    if budget.seconds is None:
        return {}
    return {"seconds_left": max(0.0, budget.seconds - totals["seconds"])}
