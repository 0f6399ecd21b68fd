"""Whether a round needs no work: its result is there, or it was computed ahead and waits.

The program asks this before it loads torch, which takes seconds, so this module imports little.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nasflow.storage.ahead import take
from nasflow.storage.made import kept, made
from nasflow.storage.manifest import paths


def is_finished(
    *,
    config: str,
    algorithm: str,
    data: Path,
    parent: Path,
    budget: str,
    seed: int,
    round: int,
    out: Path,
    **others: object,
) -> bool:
    """Return True where the result of a round stands in its place, or was just moved there.

    Args:
        config: the sections of the configuration as JSON, as the stage `search_round` gets them.
        algorithm: an algorithm or an ablation, such as `nasgd-log`.
        data: folder of the prepared images.
        parent: stem of the checkpoint that the round starts from.
        budget: the section budget as JSON.
        seed: the seed of the search.
        round: its number in the search, from 1.
        out: folder of the round.
        others: the other arguments of the round, which change no result.

    Raises:
        Held: if a result waits, and another process writes to the folder of the round.
    """
    wanted = round_made(config, algorithm, data, parent, seed, round)
    return kept(out / "status.json", wanted) or take(out, wanted, json.loads(budget))


def round_made(
    config: str,
    method: str,
    data: Path,
    parent: Path,
    seed: int,
    number: int,
    stage: str = "search_round",
) -> dict[str, Any]:
    """Describe what a round is made from (`nasflow.storage.made.made`).

    Args:
        config: the sections of the configuration.
        method: an algorithm or an ablation.
        data: folder of the prepared images.
        parent: stem of the checkpoint that the round starts from.
        seed: the seed of the search.
        number: the number of the round.
        stage: search_round, or prune_round.
    """
    read = round_inputs(data, parent, _timed(json.loads(config)))
    return made(stage, config, read, algorithm=method, seed=seed, round=number)


def round_inputs(data: Path, parent: Path, timed: bool) -> list[Path]:
    """Return the records that hold the sha256 of what a round reads.

    Args:
        data: folder of the prepared images.
        parent: stem of the checkpoint that the round starts from.
        timed: whether the round reads the table of latencies.
    """
    return [data / "data.json", paths(parent)[-1], *([latency_file(data)] if timed else [])]


def latency_file(data: Path) -> Path:
    """Return the place of an experiment's table of latencies, beside its prepared images."""
    return data.absolute().parent / "latency/table.json"


def _timed(sections: dict[str, Any]) -> bool:
    """Return what `Search.timed` is, without the libraries that check a configuration."""
    search = sections.get("search") or {}
    bound = (search.get("constraints") or {}).get("max_latency")
    return bound is not None or (search.get("latency_weight") or 0.0) > 0.0
