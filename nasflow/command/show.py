"""The command `nasflow show`: print an experiment, a search, a round or a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nasflow.architecture.architecture_file import LARGEST
from nasflow.command.show_network import network_lines
from nasflow.command.show_search import round_lines, search_lines
from nasflow.command.terminal import Lines, count, mega, percent, say, seconds, styled, table
from nasflow.config.files import CHECKPOINT
from nasflow.data.image_facts import stem_of
from nasflow.records import summaries
from nasflow.records.summaries import Json
from nasflow.storage.contents import read
from nasflow.storage.files import consistent


def show(*, path: Path, all: bool = False, json: bool = False) -> None:
    """Print what is at the path.

    Args:
        path: a folder of results, or a file of a checkpoint.
        all: whether a search shows every child of every round.
        json: whether to print JSON.

    Raises:
        ValueError: if there is nothing at the path.
    """
    with consistent(path):
        _show(look(path), all, json)


def _show(found: Json, all: bool, json: bool) -> None:
    if json:
        print(as_json(found))
        return
    lines: dict[str, Callable[[], Lines]] = {
        "results": lambda: (line for one in found["experiments"] for line in experiment_lines(one)),
        "experiment": lambda: experiment_lines(found),
        "search": lambda: search_lines(found, all),
        "round": lambda: round_lines(found),
        "network": lambda: network_lines(found),
    }
    say(lines[found["kind"]]())


def look(path: Path) -> Json:
    """Find out what is at a path, and read it.

    Returns:
        The facts; `kind` says what it is: results, experiment, search, round or network.

    Raises:
        ValueError: if there is nothing at the path.
    """
    if not path.exists() and not path.with_name(path.name + CHECKPOINT[0]).exists():
        raise ValueError(
            f"{path}: nothing there; expected a folder such as results/digits/nasgd/seed_0, or a "
            "network such as results/digits/nasgd/seed_0/final/network"
        )
    if path.is_dir():
        if (path / "results").is_dir():  # a folder that init made, or a clone
            return look(path / "results")
        folder = path.parent if path.absolute().name in ("search", "prune") else path
        if folder.absolute().name.startswith("seed_"):
            return summaries.search(folder)
        if summaries.searches(folder) or (folder / "data/data.json").is_file():
            return summaries.experiment(folder)
        if folder.absolute().name.startswith("round_"):
            return summaries.round_(folder)
        inside = [one for one in sorted(folder.iterdir()) if summaries.searches(one)]
        if inside:
            return {"kind": "results", "experiments": [summaries.experiment(one) for one in inside]}
    if path.is_file() and path.name.endswith(CHECKPOINT[0]):
        return summaries.architecture(path, read(path, LARGEST).decode(errors="replace"))
    return summaries.network(stem_of(path))


def as_json(found: Json) -> str:
    """What was found as JSON; a network is given by its nodes."""

    def plain(value: Any) -> Any:
        return json.loads(value.to_json())["nodes"]

    renamed = {"nodes" if key == "g" else key: value for key, value in found.items()}
    return json.dumps(renamed, indent=1, default=plain)


def experiment_lines(found: Json) -> Lines:
    """An experiment: its data, and one row for each search."""
    yield styled(Path(found["folder"]).absolute().name, "bold")
    if data := found["data"]:
        size = f"{data['height']} x {data['width']} x {data['channels']}"
        counts = [f"{sum(n):,} {part}" for part, n in data.get("counts", {}).items()]
        yield f"{len(data['classes'])} classes; images {size}: {', '.join(counts) or 'not counted'}"
    columns = ["algorithm", "seed", "state", " rounds", " moved", " parameters", " MFLOPs"]
    rows = [
        (
            *(one["algorithm"], str(one["seed"]), one["stage"]),
            *(str(one["rounds"]), str(one["recentred"])),
            *(count(one["parameters"]), mega(one["flops"]), percent(one["validation_accuracy"])),
            percent(one["metrics"] and one["metrics"]["test_error"], 2),
            seconds(one["metrics"] and one["metrics"]["seconds"]["total"]),
        )
        for one in found["searches"]
    ]
    yield table([*columns, " validation", " test error", " time"], rows)
