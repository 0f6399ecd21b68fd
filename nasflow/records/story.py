"""The records of one search, as far as it got: the facts that the report shows.

A stage that has not finished is None or missing here. A file that is damaged, or is not the one
that its status.json names, raises CorruptFile: no page is better than a page of broken records.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from nasflow.architecture.architecture import Architecture
from nasflow.records import curves
from nasflow.records.front import Front, front
from nasflow.records.offspring import offspring
from nasflow.storage import places
from nasflow.storage.files import CorruptFile, read_json
from nasflow.storage.manifest import read_architecture

Json = dict[str, Any]


class Training(NamedTuple):
    """The pretraining or the final training.

    Attributes:
        status: status.json of the stage.
        history: history.parquet, one row for each recorded step.
        architecture: the network that was trained.
    """

    status: Json
    history: pa.Table
    architecture: Architecture


class Round(NamedTuple):
    """One round of a search.

    Attributes:
        status: status.json of the round.
        particles: particles.parquet, one row for each step and node.
        nodes: the rows of architectures.parquet, the parent first.
        names: what the nodes are called, such as `0 parent` and `3 widen`.
        graphs: the architectures of the nodes; None where it cannot be rebuilt from the records.
        network: the architecture from which the next round starts.
    """

    status: Json
    particles: pa.Table
    nodes: list[Json]
    names: list[str]
    graphs: list[Architecture | None]
    network: Architecture

    @property
    def number(self) -> int:
        """The number of the round, from 1."""
        return int(self.status["round"])

    @property
    def moved(self) -> bool:
        """Whether the search moved from the parent to a child."""
        return bool(self.status["winner"])


class Story(NamedTuple):
    """One search: an algorithm with a seed.

    Attributes:
        algorithm: the name of the algorithm, such as `nasgd`.
        seed: the number from which all random choices follow.
        pretrain: the training of the base network, before the search.
        rounds: the finished rounds, in order.
        summary: search/summary.json, once the last round has ended.
        final: the training of the network that was found.
        metrics: final/metrics.json, once the test set has been evaluated.
        predictions: final/predictions.parquet; None also where an earlier nasflow made the results.
        pruned: the finished prune rounds, in order.
        front: the networks that were trained to the end; None where it is only the found one.
    """

    algorithm: str
    seed: int
    pretrain: Training | None
    rounds: tuple[Round, ...]
    summary: Json | None
    final: Training | None
    metrics: Json | None
    predictions: pa.Table | None
    pruned: tuple[Round, ...] = ()
    front: Front | None = None

    @property
    def name(self) -> str:
        """The name of the search, for people."""
        return f"{self.algorithm}, seed {self.seed}"

    @property
    def key(self) -> str:
        """The id of the search in a page."""
        return f"{self.algorithm}-{self.seed}"

    @property
    def path(self) -> list[tuple[str, Architecture]]:
        """Titles and architectures of the base network and of each child the search moved to."""
        found = [("base network", self.pretrain.architecture)] if self.pretrain else []
        found += [(f"winner of round {r.number}", r.network) for r in self.rounds if r.moved]
        return found


def searches(results: Path) -> list[tuple[str, int]]:
    """Return (algorithm, seed) of every search in an experiment's folder, sorted."""
    found = places.searches(results)
    return [(path.parent.name, int(path.name.removeprefix("seed_"))) for path in found]


def story(results: Path, algorithm: str, seed: int) -> Story:
    """Read the search in results/{experiment}/{algorithm}/seed_{seed}.

    Args:
        results: the folder of the experiment, results/{experiment}.
        algorithm: the name of the algorithm.
        seed: the seed of the search.

    Raises:
        CorruptFile: if a file is damaged, or is not the one that its status names.
    """
    folder = results / algorithm / f"seed_{seed}"
    summary = _json(folder / "search/summary.json")
    pretrain = _training(folder / "pretrain")
    rounds = tuple(_rounds(folder, pretrain, summary["rounds"] if summary else None))
    pruned = tuple(_pruned(folder)) if summary else ()
    metrics = _json(folder / "final/metrics.json")
    predictions = None
    if metrics and "predictions.parquet" in metrics.get("files", {}):
        predictions = curves.table(folder / "final", metrics, "predictions.parquet")
        _check_labels(folder / "final/predictions.parquet", predictions, len(metrics["classes"]))
    final = _training(folder / "final")
    own = front(folder)
    return Story(
        *(algorithm, seed, pretrain, rounds, summary, final, metrics, predictions, pruned, own)
    )


def _check_labels(path: Path, predictions: pa.Table, classes: int) -> None:
    """Raise CorruptFile when a label is no class: counts by class would fill the memory."""
    for column in ("label", "predicted"):
        found = predictions[column]
        low, high = (pc.min_max(found)[end].as_py() for end in ("min", "max"))
        if found.null_count or (len(found) and not 0 <= low <= high < classes):
            raise CorruptFile(
                f"{path}: {column} {low} to {high}; expected 0 to {classes - 1}; "
                "rerun the stage that writes it"
            )


def _rounds(folder: Path, pretrain: Training | None, count: int | None) -> Iterator[Round]:
    """Read the finished rounds, up to number `count`: older folders may stand behind it."""
    if pretrain is None:
        return
    parent = pretrain.architecture
    for number, path in curves.rounds(folder).items():
        if count is not None and number > count:
            return
        found = _round(path.parent, parent)
        yield found
        parent = found.network


def _pruned(folder: Path) -> Iterator[Round]:
    """Read the finished prune rounds, up to the first one that is missing.

    Rounds that an earlier search left behind, which begin with another network, are left out.
    """
    finished = curves.rounds(folder, "prune")
    parent = read_architecture(folder / "search/winner") if finished else None
    for place, (number, path) in enumerate(finished.items(), 1):
        assert parent is not None
        found = _round(path.parent, parent)
        if number != place or found.nodes[0]["fingerprint"] != parent.fingerprint:
            return
        yield found
        parent = found.network


def _round(folder: Path, parent: Architecture) -> Round:
    status = read_json(folder / "status.json")
    table = curves.table(folder, status, "architectures.parquet")
    nodes = table.to_pylist()
    graphs = [parent, *(_graph(parent, row) for row in nodes[1:])]
    return Round(
        status,
        curves.table(folder, status, "particles.parquet"),
        nodes,
        list(curves.sibling_names(table).values()),
        graphs,
        read_architecture(folder / "winner"),
    )


def _graph(parent: Architecture, row: Json) -> Architecture | None:
    return offspring(parent, row["morphism"], row["site"], row["fingerprint"])


def _training(folder: Path) -> Training | None:
    status = _json(folder / "status.json")
    if status is None:
        return None
    history = curves.table(folder, status, "history.parquet")
    return Training(status, history, read_architecture(folder / "network"))


def _json(path: Path) -> Json | None:
    return read_json(path) if os.path.lexists(path) else None
