"""The records of one search as far as they go: what the report tells.

A stage that has not finished is None or missing here, a file that is damaged or not the one that
its status names is a CorruptFile: a page of broken records would be worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from nasflow.architecture.architecture import Architecture
from nasflow.records import curves
from nasflow.records.offspring import offspring
from nasflow.storage.files import CorruptFile, read_json
from nasflow.storage.manifest import paths

Json = dict[str, Any]


class Training(NamedTuple):
    """Pretraining or the final one: history.parquet and the network that came out."""

    status: Json
    history: pa.Table
    architecture: Architecture


class Round(NamedTuple):
    """`nodes` are the rows of architectures.parquet, the parent first, `names` what they are called
    (`0 parent`, `3 widen`), `graphs` their architectures, None where the records do not tell."""

    status: Json
    particles: pa.Table
    nodes: list[Json]
    names: list[str]
    graphs: list[Architecture | None]
    network: Architecture

    @property
    def number(self) -> int:
        return int(self.status["round"])

    @property
    def moved(self) -> bool:
        return bool(self.status["winner"])


class Story(NamedTuple):
    """One search, an algorithm with a seed."""

    algorithm: str
    seed: int
    pretrain: Training | None
    rounds: tuple[Round, ...]
    summary: Json | None
    final: Training | None
    metrics: Json | None
    predictions: pa.Table | None

    @property
    def name(self) -> str:
        return f"{self.algorithm}, seed {self.seed}"

    @property
    def key(self) -> str:
        """An id in a page."""
        return f"{self.algorithm}-{self.seed}"

    @property
    def path(self) -> list[tuple[str, Architecture]]:
        """The networks that the search stood on: base, the winners that moved it, trained."""
        found = [("base network", self.pretrain.architecture)] if self.pretrain else []
        found += [(f"winner of round {r.number}", r.network) for r in self.rounds if r.moved]
        return found


def searches(results: Path) -> list[tuple[str, int]]:
    """(algorithm, seed) of every search under an experiment's folder, in order."""
    found = [p for p in results.glob("*/seed_*") if p.is_dir()]
    return sorted((p.parent.name, int(p.name.removeprefix("seed_"))) for p in found)


def story(results: Path, algorithm: str, seed: int) -> Story:
    """What stands under results/{experiment}/{algorithm}/seed_{seed}."""
    folder = results / algorithm / f"seed_{seed}"
    summary = _json(folder / "search/summary.json")
    pretrain = _training(folder / "pretrain")
    rounds = tuple(_rounds(folder, pretrain, summary["rounds"] if summary else None))
    metrics = _json(folder / "final/metrics.json")
    predictions = None
    if metrics and "predictions.parquet" in metrics.get("files", {}):
        predictions = curves.table(folder / "final", metrics, "predictions.parquet")
    final = _training(folder / "final")
    return Story(algorithm, seed, pretrain, rounds, summary, final, metrics, predictions)


def _rounds(folder: Path, pretrain: Training | None, count: int | None) -> Iterator[Round]:
    """Finished ones in a row from 1, as many as the search counts: older ones may stand beside."""
    if pretrain is None:
        return
    parent = pretrain.architecture
    for number, path in curves.rounds(folder).items():
        if count is not None and number > count:
            return
        found = _round(path.parent, parent)
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
        _architecture(folder / "winner"),
    )


def _graph(parent: Architecture, row: Json) -> Architecture | None:
    return offspring(parent, row["morphism"], row["site"], row["fingerprint"])


def _training(folder: Path) -> Training | None:
    status = _json(folder / "status.json")
    if status is None:
        return None
    history = curves.table(folder, status, "history.parquet")
    return Training(status, history, _architecture(folder / "network"))


def _architecture(stem: Path) -> Architecture:
    path = paths(stem)[0]
    try:
        return Architecture.from_json(path.read_text())
    except (OSError, ValueError) as error:
        raise CorruptFile(f"{path}: {error}; rerun the stage that writes it") from error


def _json(path: Path) -> Json | None:
    return dict(read_json(path)) if path.exists() else None
