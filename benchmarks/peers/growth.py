"""gromo's growing networks under a fixed schedule: which widths, when, and the search around it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from benchmarks.peers.bench import Bench, Found, row, stretch
from benchmarks.peers.space import parts
from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node
from nasflow.config.search import Constraints
from nasflow.search.neighbourhood import legal
from nasflow.training.batches import Batches
from nasflow.training.evaluation import evaluate

START, TARGET = 0.5, 4.0  # filters of a growing convolution, first and last, by base width


def doubled(hidden: tuple[int, ...], base: Architecture) -> Architecture:
    """Put one more convolution at the beginning of each part of g_0 between pools.

    gromo grows filters between two convolutions on maps of the same size, but between the
    convolutions of g_0 there are pools.

    Args:
        hidden: the number of filters of each new convolution.
        base: the architecture g_0.

    Raises:
        ValueError: if g_0 is not a chain.
    """
    if joins := [node.op for node in base.nodes if node.op in ("add", "concat", "pad")]:
        raise ValueError(f"base.network: it has {', '.join(joins)}; gromo's peer takes a chain")
    nodes: list[Node] = []
    place = {base.image.id: 0}
    widths = iter(hidden)
    first = {part[0] for part in parts(base)}
    for node in base.nodes:
        inputs = tuple(place[i] for i in node.inputs)
        if node.id in first:
            new = Node(len(nodes), "conv", inputs, next(widths), node.kernel)
            nodes.append(new)
            inputs = (new.id,)
        place[node.id] = len(nodes)
        nodes.append(Node(len(nodes), node.op, inputs, node.width, node.kernel))
    return Architecture(tuple(nodes), base.size)


def first_widths(base: Architecture, constraints: Constraints) -> tuple[int, ...]:
    """Return half the width of each part of g_0, but at least `min_filters`."""
    least = constraints.min_filters
    return tuple(max(least, int(START * base[part[0]].width)) for part in parts(base))


def targets(base: Architecture, constraints: Constraints) -> tuple[int, ...]:
    """Return the widths at the end: four times those of g_0, or less to keep the constraints.

    The way from the first widths to four times those of g_0 is cut off at the largest percentage
    that keeps the constraints.

    Raises:
        ValueError: if even the first widths do not keep the constraints.
    """
    begin = first_widths(base, constraints)
    for percent in range(100, -1, -1):
        widths = tuple(
            b + int((TARGET * base[part[0]].width - b) * percent / 100)
            for b, part in zip(begin, parts(base), strict=True)
        )
        if legal(doubled(widths, base), constraints):
            return widths
    raise ValueError(
        f"search.constraints: {doubled(begin, base).describe()} breaks them, where gromo would "
        "start; raise them or leave gromo out"
    )


def additions(begin: int, end: int, growths: int) -> list[int]:
    """Return how many filters each growth adds, as evenly as whole numbers allow."""
    marks = [begin + (end - begin) * i // growths for i in range(growths + 1)]
    return [b - a for a, b in pairwise(marks)]


def search(bench: Bench) -> Found:
    """Grow and train a network `growths` times.

    Each training gets an equal part of the budget that is left, and growing ends once nothing is
    left. If something lasts longer than planned, the final training gets less. The batches of the
    statistics count as steps; the passes that choose the scaling factor do not.
    """
    from benchmarks.peers.growing import grow  # imports gromo

    network, options = bench.start, bench.options
    search = bench.experiment.search
    constraints = search.constraints
    g = network.architecture
    grown = [part[0] for part in parts(g)]
    ends = targets(bench.base, constraints)
    steps = [additions(g[c].width, e, options.growths) for c, e in zip(grown, ends, strict=True)]
    lineage: list[dict[str, Any]] = []
    trained = [{"fingerprint": g.fingerprint}]
    for number in range(options.growths):
        if bench.meter.left <= 0.0:
            break
        batches = Batches(bench.data, search.batch_size, f"gromo {number}", (bench.seed,))
        looked = [batches(i) for i in range(options.statistics)]
        wanted = {conv: added[number] for conv, added in zip(grown, steps, strict=True)}
        network = grow(network, wanted, looked)
        bench.meter.steps += len(looked)
        assert legal(network.architecture, constraints)
        length = bench.meter.left / (options.growths - number)
        loss, accuracy = evaluate(network, bench.validation, workers=bench.workers)
        if length > 0.0:
            purpose, unit = f"gromo stretch {number}", bench.meter.limit.unit
            network, loss, accuracy = stretch(
                bench, network, length, purpose, bench.meter.count, unit
            )
        lineage.append(row(number + 1, network, "growth", loss, accuracy))
        trained.append(lineage[-1] | {"fingerprint": network.architecture.fingerprint})
    return Found(network, trained, lineage)
