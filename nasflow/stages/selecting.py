"""What a search may spend, and what it found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nasflow.config.experiment import Budget, parse, plain
from nasflow.search import budget as policy
from nasflow.search.status import no_search
from nasflow.storage.files import read_json, write_json
from nasflow.storage.manifest import copy_checkpoint


def plan(*, config: str, out: Path) -> None:
    """The budget, as a file: rounds read it, select_winner depends on it."""
    write_json(out, plain(parse(Budget, json.loads(config), "budget")))


def select_winner(
    *, algorithm: str, pretrain: Path, rounds: Sequence[Path], plan: Path, out: Path
) -> None:
    """The last round's winner under a fixed name, and the search in short; without rounds the
    pretrained network. `spent`: what pretraining and search took of a total budget."""
    statuses = [read_json(folder / "status.json") for folder in rounds]
    budget = parse(Budget, read_json(plan), "budget")
    last = rounds[-1] / "winner" if rounds else pretrain.with_name("network")
    copy_checkpoint(last, out)
    before = read_json(pretrain)
    totals = statuses[-1]["totals"] if rounds else no_search(before)
    keys = (
        *("round", "morphism", "site", "reason", "steps", "parameters", "flops"),
        *("validation_loss", "validation_accuracy"),
    )
    summary = {
        "schema": 1,
        "algorithm": algorithm,
        "reason": policy.finished(budget, totals) if rounds else "none",
        **totals,
        "spent": {
            "epochs": before["epochs"] + totals["network_epochs"],
            "seconds": before["seconds"] + totals["seconds"],
        },
        "fingerprint": (statuses[-1] if rounds else before)["fingerprint"],
        "lineage": [{key: status[key] for key in keys} for status in statuses],
    }
    write_json(out.with_name("summary.json"), summary)
