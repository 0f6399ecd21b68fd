"""g: a convolutional network as a directed acyclic graph, without weights.

Nodes stand in topological order: the image first, the head last. Their ids are stable for life: a
morphism renames nothing, so that every untouched tensor carries over by name. New nodes get the
largest id + 1.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from nasflow.architecture.node import HEADS, Node, check, output_shape, tensor_shapes


@dataclass(frozen=True)
class Architecture:
    """A legal graph; ValueError otherwise. `size` is the (height, width) of the image."""

    nodes: tuple[Node, ...]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        seen: set[int] = set()
        for position, node in enumerate(self.nodes):
            check(node, seen, position, len(self.nodes))
            seen.add(node.id)
        unused = seen - {i for node in self.nodes for i in node.inputs} - {self.nodes[-1].id}
        if unused:
            raise ValueError(f"architecture: nodes {sorted(unused)} feed nothing")
        _ = self.shapes, self.segments  # both raise on illegal graphs

    def __getitem__(self, identity: int) -> Node:
        return self._by_id[identity]

    @cached_property
    def _by_id(self) -> dict[int, Node]:
        return {node.id: node for node in self.nodes}

    @property
    def image(self) -> Node:
        return self.nodes[0]

    @property
    def head(self) -> Node:
        return self.nodes[-1]

    @property
    def convs(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.op == "conv")

    @cached_property
    def next_id(self) -> int:
        return max(self._by_id) + 1

    def consumers(self, identity: int) -> tuple[Node, ...]:
        """Nodes that read the output of a node, in order."""
        return tuple(node for node in self.nodes if identity in node.inputs)

    @cached_property
    def pooled(self) -> dict[int, int]:
        """convolution -> pool, where the pool is its only reader."""
        readers = {conv.id: self.consumers(conv.id) for conv in self.convs}
        return {c: r[0].id for c, r in readers.items() if len(r) == 1 and r[0].op == "pool"}

    def ancestors(self, identity: int) -> frozenset[int]:
        """Ids from which a path leads to the node (itself left out)."""
        found: set[int] = set()
        stack = list(self[identity].inputs)
        while stack:
            current = stack.pop()
            if current not in found:
                found.add(current)
                stack += self[current].inputs
        return frozenset(found)

    @cached_property
    def shapes(self) -> dict[int, tuple[int, int, int]]:
        """Output (channels, height, width) of every node."""
        result: dict[int, tuple[int, int, int]] = {}
        for node in self.nodes:
            result[node.id] = output_shape(node, [result[i] for i in node.inputs], self.size)
        return result

    @cached_property
    def segments(self) -> dict[int, tuple[int, ...]]:
        """For every node the convolutions (or the image, or a pad) that make up its channels, in
        channel order; an add answers with those of its first input. Adds need equal widths."""
        result: dict[int, tuple[int, ...]] = {}
        for node in self.nodes:
            if node.op in ("image", "conv", "pad"):
                result[node.id] = (node.id,)
            elif node.op == "concat":
                result[node.id] = tuple(s for i in node.inputs for s in result[i])
            elif node.inputs:
                result[node.id] = result[node.inputs[0]]
            if node.op == "add":
                widths = [[self[s].width for s in result[i]] for i in node.inputs]
                if widths[0] != widths[1]:
                    raise ValueError(f"architecture: add {node.id} joins filters {widths}")
        return result

    def tied(self, conv: int) -> frozenset[int]:
        """The convolutions that adds force to have as many filters as this one (itself too)."""
        group = {conv}
        while True:
            grown = set(group)
            for node in self.nodes:
                if node.op == "add":
                    for a, b in zip(*(self.segments[i] for i in node.inputs), strict=True):
                        if a in grown or b in grown:
                            grown |= {a, b}
            if grown == group:
                return frozenset(group)
            group = grown

    @cached_property
    def rigid(self) -> frozenset[int]:
        """Segments that cannot be resized: the image, pads, and what a pad reads, whose new
        channels would come where its zeros are."""
        pads = [node for node in self.nodes if node.op == "pad"]
        read = {s for pad in pads for s in self.segments[pad.inputs[0]]}
        return frozenset(read | {pad.id for pad in pads} | {self.image.id})

    def resizable(self, conv: int) -> bool:
        """Whether the filters of a convolution, and of those tied to it, may change in number; true
        for one of each tied group only."""
        group = self.tied(conv)
        return conv == min(group) and not group & self.rigid

    @cached_property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the learned tensors, by name."""
        result: dict[str, tuple[int, ...]] = {}
        for node in self.nodes:
            result |= tensor_shapes(node, [self.shapes[i] for i in node.inputs])
        return result

    @cached_property
    def buffers(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the running statistics, by name."""
        return {f"{n.id}.{s}": (n.width,) for n in self.convs for s in ("mean", "variance")}

    @cached_property
    def parameters(self) -> int:
        """Number of learned scalars."""
        return sum(math.prod(shape) for shape in self.tensors.values())

    @cached_property
    def flops(self) -> int:
        """Multiplications and additions of convolutions and head for one image, forward."""
        total = 0
        for node in self.nodes:
            if node.op == "conv" or node.op in HEADS:
                _, height, width = self.shapes[node.id]
                total += 2 * math.prod(self.tensors[f"{node.id}.weight"]) * height * width
        return total

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits, equal for isomorphic graphs: Weisfeiler-Lehman colours over inputs and
        consumers (order of inputs ignored, as sums and concatenations are symmetric)."""
        colour = {n.id: f"{n.op},{n.width},{n.kernel}" for n in self.nodes}
        for _ in self.nodes:
            colour = {
                n.id: _digest(
                    colour[n.id],
                    *sorted(colour[i] for i in n.inputs),
                    "|",
                    *sorted(colour[c.id] for c in self.consumers(n.id)),
                )
                for n in self.nodes
            }
        return _digest(*sorted(colour.values()), str(self.size))[:16]

    def to_json(self) -> str:
        """Canonical text: equal architectures give equal bytes."""
        data = {"schema": 1, "size": list(self.size), "nodes": [asdict(n) for n in self.nodes]}
        return json.dumps(data, indent=1)

    @staticmethod
    def from_json(text: str) -> Architecture:
        """The inverse; ValueError on anything that is not a legal architecture."""
        try:
            data: Mapping[str, Any] = json.loads(text)
            if data["schema"] != 1:
                raise ValueError(f"architecture: schema {data['schema']}; this nasflow reads 1")
            nodes = tuple(Node(**{**n, "inputs": tuple(n["inputs"])}) for n in data["nodes"])
            height, width = data["size"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"architecture: not readable ({error!r})") from error
        return Architecture(nodes, (height, width))

    def describe(self) -> str:
        """One line a reader can follow: 16 - pool - 32k5 - ..."""
        words = {name: name for name in ("image", "pool", "head", "flat_head")}
        text = []
        for n in self.nodes:
            word = words.get(n.op) or (
                f"conv{n.width}k{n.kernel}" if n.op == "conv" else f"{n.op}{list(n.inputs)}"
            )
            text.append(f"{n.id}:{word}")
        return " ".join(text)


def chain(
    widths: tuple[int, ...],
    kernel: int,
    image: tuple[int, int, int],
    classes: int,
    head: str = "head",
) -> Architecture:
    """Conv-MaxPool-Conv-MaxPool-...-Conv-head, the paper's g_0 (section 3); image is (C, H, W)."""
    nodes = [Node(0, "image", (), image[0])]
    for index, width in enumerate(widths):
        nodes.append(Node(len(nodes), "conv", (nodes[-1].id,), width, kernel))
        if index < len(widths) - 1:
            nodes.append(Node(len(nodes), "pool", (nodes[-1].id,)))
    nodes.append(Node(len(nodes), head, (nodes[-1].id,), classes))
    return Architecture(tuple(nodes), image[1:])


def insert(g: Architecture, new: Node, before: int) -> tuple[Node, ...]:
    """The nodes with `new` put in front of node `before`."""
    position = [n.id for n in g.nodes].index(before)
    return (*g.nodes[:position], new, *g.nodes[position:])


def rewire(
    nodes: tuple[Node, ...], old: int, new: int, keep: frozenset[int] = frozenset()
) -> tuple[Node, ...]:
    """Every reader of `old` reads `new` instead, except the nodes in `keep`."""
    return tuple(
        n
        if n.id in keep or old not in n.inputs
        else replace(n, inputs=tuple(new if i == old else i for i in n.inputs))
        for n in nodes
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
