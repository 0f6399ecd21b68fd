"""What a search cost: seconds, steps, epochs, FLOPs and memory, for each stage, round and child.

Seconds are measured for a whole stage or round only: siblings train side by side, so a child has no
seconds of its own. FLOPs (floating-point operations) are counted, not measured: 3 x forward pass x
images, because the backward pass counts as two forward passes. Memory is an estimate, the one of
`memory.megabytes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from nasflow.records.story import Round, Story, Training
from nasflow.training.memory import megabytes

Json = Mapping[str, Any]


class Cost(NamedTuple):
    """What one stage or one round cost.

    Attributes:
        what: the name of the stage or round, for people.
        seconds: measured, of the whole stage.
        steps: training steps; siblings make their steps side by side, which counts once.
        networks: how many networks the stage has; in a round the parent and its children.
        epochs: passes over the training images, summed over all networks.
        flops: counted, summed over all networks.
    """

    what: str
    seconds: float
    steps: int
    networks: int
    epochs: float
    flops: float


class ChildCost(NamedTuple):
    """What one network of a round cost.

    Attributes:
        name: such as `3 widen`; the parent is `0 parent`.
        steps: training steps of this network.
        parameters: how many numbers the network learns.
        forward: FLOPs of a forward pass of one image.
        flops: FLOPs of its training in this round.
        memory: MB that training takes, by estimate; None where the batch size or the architecture
            is unknown.
    """

    name: str
    steps: int
    parameters: int
    forward: int
    flops: float
    memory: float | None


def costs(story: Story, images: int) -> list[Cost]:
    """List what each finished stage and round of a search cost, in the order of time.

    Args:
        story: the records of the search, finished or not.
        images: how many images the training split holds.
    """
    rows = [_training("pretraining", story.pretrain, images)] if story.pretrain else []
    rows += _rounds("round", story.rounds, images)
    rows += _rounds("prune round", story.pruned, images)
    if story.final:
        rows.append(_training("final training", story.final, images))
    if story.metrics:
        rows.append(_evaluation(story.metrics))
    return rows


def _rounds(name: str, rounds: Sequence[Round], images: int) -> Iterator[Cost]:
    before = 0.0
    for found in rounds:
        status, totals = found.status, found.status["totals"]
        epochs = totals["network_epochs"] - before
        before = totals["network_epochs"]
        flops = sum(child.flops for child in children(found, images))
        networks = status["children"] + 1
        row = (status["seconds"], status["steps"], networks, epochs, flops)
        yield Cost(f"{name} {found.number}", *row)


def total(rows: list[Cost]) -> Cost:
    """Add up the costs of all stages; the number of networks is left at 0."""
    sums = {name: sum(getattr(row, name) for row in rows) for name in ("seconds", "steps")}
    epochs, flops = sum(row.epochs for row in rows), sum(row.flops for row in rows)
    return Cost("all", sums["seconds"], int(sums["steps"]), 0, epochs, flops)


def children(found: Round, images: int, batch: int | None = None) -> list[ChildCost]:
    """List what each network of a round cost, the parent first.

    Args:
        found: the round.
        images: how many images the training split holds.
        batch: images in one training batch; without it the memory is None.
    """
    totals = found.status["totals"]
    epoch = totals["steps"] / totals["epochs"] if totals["epochs"] else np.inf
    rows = []
    for row, name, graph in zip(found.nodes, found.names, found.graphs, strict=True):
        recorded = pc.sum(pc.equal(found.particles["node"], row["node"])).as_py() or 0
        steps = min(recorded, row["died_at"] or recorded)
        memory = megabytes(graph, batch) if graph and batch else None
        flops = 3.0 * row["flops"] * images * steps / epoch
        rows.append(ChildCost(name, steps, row["parameters"], row["flops"], flops, memory))
    return rows


def _training(what: str, found: Training, images: int) -> Cost:
    status = found.status
    flops = 3.0 * status["flops"] * status["epochs"] * images
    return Cost(what, status["seconds"], status["steps"], 1, status["epochs"], flops)


def _evaluation(metrics: Json) -> Cost:
    """The forward passes over the test set."""
    forward = float(metrics["flops"]) * metrics["test_images"]
    seconds = metrics["seconds"]["evaluate"]
    return Cost("evaluation on the test set", seconds, 0, 1, 0.0, forward)
