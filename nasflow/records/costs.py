"""What a search cost: seconds, steps, epochs, FLOPs and memory, a row a stage, round and child.

Seconds are measured, of a stage or round: siblings train side by side, and a child has none of its
own. FLOPs are counted, not measured: 3 x forward x images, the backward pass taken as twice the
forward one. Memory is `memory.megabytes`, an estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from nasflow.records.story import Round, Story, Training
from nasflow.training.memory import megabytes

Json = Mapping[str, Any]


class Cost(NamedTuple):
    """`epochs` are passes over the training images, those of all networks added up."""

    what: str
    seconds: float
    steps: int
    networks: int
    epochs: float
    flops: float


class ChildCost(NamedTuple):
    """A child of one round; `memory` in MB, None where it cannot be told."""

    name: str
    steps: int
    parameters: int
    forward: int
    flops: float
    memory: float | None


def costs(story: Story, images: int) -> list[Cost]:
    """A row a stage or round, as far as the search got; `images` is the size of the training
    split."""
    rows = [_training("pretraining", story.pretrain, images)] if story.pretrain else []
    before = 0.0
    for found in story.rounds:
        status, totals = found.status, found.status["totals"]
        epochs = totals["network_epochs"] - before
        before = totals["network_epochs"]
        flops = sum(child.flops for child in children(found, images))
        networks = status["children"] + 1
        row = (status["seconds"], status["steps"], networks, epochs, flops)
        rows.append(Cost(f"round {found.number}", *row))
    if story.final:
        rows.append(_training("final training", story.final, images))
    if story.metrics:
        forward = float(story.metrics["flops"]) * story.metrics["test_images"]
        seconds = story.metrics["seconds"]["evaluate"]
        rows.append(Cost("evaluation on the test set", seconds, 0, 1, 0.0, forward))
    return rows


def total(rows: list[Cost]) -> Cost:
    """Of all stages."""
    sums = {name: sum(getattr(row, name) for row in rows) for name in ("seconds", "steps")}
    epochs, flops = sum(row.epochs for row in rows), sum(row.flops for row in rows)
    return Cost("all", sums["seconds"], int(sums["steps"]), 0, epochs, flops)


def children(found: Round, images: int, batch: int | None = None) -> list[ChildCost]:
    """The parent first. `batch`: images a step, without which memory is not told."""
    totals = found.status["totals"]
    epoch = totals["steps"] / totals["epochs"] if totals["epochs"] else np.inf
    rows = []
    for row, name, graph in zip(found.nodes, found.names, found.graphs, strict=True):
        mine = pc.sum(pc.equal(found.particles["node"], row["node"])).as_py() or 0
        steps = min(mine, row["died_at"] or mine)
        memory = megabytes(graph, batch) if graph and batch else None
        flops = 3.0 * row["flops"] * images * steps / epoch
        rows.append(ChildCost(name, steps, row["parameters"], row["flops"], flops, memory))
    return rows


def _training(what: str, found: Training, images: int) -> Cost:
    status = found.status
    flops = 3.0 * status["flops"] * status["epochs"] * images
    return Cost(what, status["seconds"], status["steps"], 1, status["epochs"], flops)
