"""A network as lines: a diagram with shape, parameters and FLOPs of each layer, and the sums."""

from __future__ import annotations

import math
from typing import Any

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node, tensor_shapes
from nasflow.architecture.text_diagram import DRAWN, PLAIN, rails
from nasflow.command.terminal import Lines, count, drawn, mega, percent, seconds, styled, table
from nasflow.deployment.figures import figures, words

WHAT = {
    "pool": "max pool 2 x 2",
    "mean_pool": "mean pool 2 x 2",
    "add": "mix * first + (1 - mix) * second",
    "concat": "concatenation",
    "pad": "zero channels appended",
    "head": "global average, linear",
    "flat_head": "linear on the whole map",
    "peak_head": "global maximum, linear",
    "image": "",
}


def network_lines(found: dict[str, Any]) -> Lines:
    """A network: its accuracy if it is known, its layers, and its size."""
    g: Architecture = found["g"]
    yield styled(found["path"], "bold")
    if found["status"] and "validation_accuracy" in found["status"]:
        yield _record(found["status"], found["metrics"])
    rows = [
        (f"{left} {node.name}", _layer(node), *_reads(node, g), *_sizes(node, g))
        for left, node in zip(rails(g, DRAWN if drawn() else PLAIN), g.nodes, strict=True)
    ]
    columns = ["node", "layer", "reads", " channels", " map", " parameters", " MFLOPs"]
    yield table(columns, rows)
    yield (
        f"{len(g.convs)} convolutions, {len(g.nodes)} nodes, {count(g.parameters)} parameters, "
        f"{mega(g.flops)} MFLOPs per image, fingerprint {g.fingerprint}"
    )
    yield words(figures(g))


def _record(status: dict[str, Any], metrics: dict[str, Any] | None) -> str:
    text = f"{status['stage']}: validation {percent(status['validation_accuracy'], 2)}"
    if metrics:
        text += f", test {percent(metrics['test_accuracy'], 2)}"
    return f"{text}, {seconds(status['seconds'])}"


def _layer(node: Node) -> str:
    activation = "GELU" if node.smooth else "ReLU"
    if node.op == "conv":
        stride = ", stride 2" if node.stride == 2 else ""
        return f"conv {node.kernel} x {node.kernel}{stride}, BatchNorm, {activation}"
    if node.op == "whiten":
        return f"whitening {node.kernel} x {node.kernel}, fixed, {activation}"
    return WHAT[node.op]


def _reads(node: Node, g: Architecture) -> tuple[str]:
    return (", ".join(g[i].name for i in node.inputs),)


def _sizes(node: Node, g: Architecture) -> tuple[str, ...]:
    channels, height, width = g.shapes[node.id]
    own = sum(map(math.prod, tensor_shapes(node, [g.shapes[i] for i in node.inputs]).values()))
    weights = [
        sizes[name]
        for sizes in (g.tensors, g.buffers)
        for name in (f"{node.id}.weight", f"{node.id}.filters")
        if name in sizes
    ]
    flops = sum(2 * math.prod(shape) * height * width for shape in weights)
    return str(channels), f"{height} x {width}", count(own), mega(flops) if flops else ""
