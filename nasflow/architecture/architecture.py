"""An architecture g: a convolutional network as a directed acyclic graph, without weights.

The nodes stand in topological order, so that each node comes behind those that it reads: the image
is the first node and the head is the last. The id of a node never changes. A morphism renames no
node, so that every tensor of an untouched node carries over by its name. A new node gets the
largest id + 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from nasflow.architecture.fingerprint import fingerprint
from nasflow.architecture.node import HEADS, Node, check, output_shape, tensor_shapes


@dataclass(frozen=True)
class Architecture:
    """A legal graph of layers.

    Attributes:
        nodes: the layers, in topological order.
        size: (height, width) of the image.

    Raises:
        ValueError: if a node may not stand where it stands, if the output of a node other than the
            head is never read, or if the inputs of a join do not fit each other.
    """

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
        _ = self.shapes, self.segments  # both raise ValueError on illegal graphs

    def __getitem__(self, identity: int) -> Node:
        return self._by_id[identity]

    @cached_property
    def _by_id(self) -> dict[int, Node]:
        return {node.id: node for node in self.nodes}

    @property
    def image(self) -> Node:
        """The node of the image, which is the first one."""
        return self.nodes[0]

    @property
    def head(self) -> Node:
        """The node of the head, which is the last one."""
        return self.nodes[-1]

    @property
    def convs(self) -> tuple[Node, ...]:
        """All convolutions, in topological order."""
        return tuple(node for node in self.nodes if node.op == "conv")

    @cached_property
    def next_id(self) -> int:
        """The id that the next new node gets."""
        return max(self._by_id) + 1

    def consumers(self, identity: int) -> tuple[Node, ...]:
        """List the nodes that read the output of a node, in topological order."""
        return tuple(node for node in self.nodes if identity in node.inputs)

    @cached_property
    def pooled(self) -> dict[int, int]:
        """The id of the pool, by the id of each convolution whose only reader is a pool."""
        readers = {conv.id: self.consumers(conv.id) for conv in self.convs}
        return {c: r[0].id for c, r in readers.items() if len(r) == 1 and r[0].op == "pool"}

    def ancestors(self, identity: int) -> frozenset[int]:
        """Collect the ids of all nodes from which a path leads to a node, without its own id."""
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
        """The output (channels, height, width) of every node."""
        result: dict[int, tuple[int, int, int]] = {}
        for node in self.nodes:
            result[node.id] = output_shape(node, [result[i] for i in node.inputs], self.size)
        return result

    @cached_property
    def segments(self) -> dict[int, tuple[int, ...]]:
        """For every node the list of its segments: the nodes that its channels come from, in order.

        A segment is the image, a convolution or a pad: these make channels of their own. A
        concatenation has the segments of all its inputs; a pool, an add and a head have those of
        their first input. Raises ValueError if the segments of two inputs of an add differ in
        their widths.
        """
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
        """Collect the segments that adds force to have as many channels as a convolution has.

        An add needs inputs of equal width, segment by segment. So the segments at the same place of
        its two inputs are tied, and ties go on from add to add. The convolution belongs to its own
        group.
        """
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
        """The segments whose number of channels cannot change: the image, pads, and what pads read.

        New channels of a node that a pad reads would come where the zeros of the pad are.
        """
        pads = [node for node in self.nodes if node.op == "pad"]
        read = {s for pad in pads for s in self.segments[pad.inputs[0]]}
        return frozenset(read | {pad.id for pad in pads} | {self.image.id})

    def resizable(self, conv: int) -> bool:
        """Return True if the number of filters of a convolution, and of its tied group, may change.

        The answer is True for one convolution of each group only, so that each group is listed
        once.
        """
        group = self.tied(conv)
        return conv == min(group) and not group & self.rigid

    @cached_property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the learned tensors, by name."""
        result: dict[str, tuple[int, ...]] = {}
        for node in self.nodes:
            result |= tensor_shapes(node, [self.shapes[i] for i in node.inputs])
        return result

    @cached_property
    def buffers(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the running statistics of all BatchNorms, by name."""
        return {f"{n.id}.{s}": (n.width,) for n in self.convs for s in ("mean", "variance")}

    @cached_property
    def parameters(self) -> int:
        """The number of learned numbers."""
        return sum(math.prod(shape) for shape in self.tensors.values())

    @cached_property
    def flops(self) -> int:
        """The multiplications and additions of convolutions and head, for one image, forward."""
        total = 0
        for node in self.nodes:
            if node.op == "conv" or node.op in HEADS:
                _, height, width = self.shapes[node.id]
                total += 2 * math.prod(self.tensors[f"{node.id}.weight"]) * height * width
        return total

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that are equal for isomorphic graphs, whatever their ids are."""
        return fingerprint(self.nodes, self.size)

    def to_json(self) -> str:
        """Write the architecture as JSON; equal architectures give bit for bit the same text."""
        data = {"schema": 1, "size": list(self.size), "nodes": [asdict(n) for n in self.nodes]}
        return json.dumps(data, indent=1)

    @staticmethod
    def from_json(text: str) -> Architecture:
        """Read an architecture from the text that `to_json` wrote.

        The types of the numbers are not checked.

        Raises:
            ValueError: if the text is not JSON, has another schema, lacks a key, or describes a
                graph that is not legal.
        """
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
        """Write one line for people: `0:image 1:conv16k3 2:pool 3:conv16k3 4:add[3, 2] 5:head`.

        A convolution shows its filters and its kernel; an add, a concatenation and a pad show the
        ids of the nodes that they read.
        """
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
    """Build Conv-MaxPool-Conv-MaxPool-...-Conv-head, the paper's first network g_0 (section 3).

    Args:
        widths: the number of filters of each convolution.
        kernel: the side of all kernels.
        image: (channels, height, width) of an image.
        classes: the number of classes.
        head: `head` (global average) or `flat_head` (the whole map).

    Raises:
        ValueError: if the image is too small for so many pools, or another number is not allowed.
    """
    nodes = [Node(0, "image", (), image[0])]
    for index, width in enumerate(widths):
        nodes.append(Node(len(nodes), "conv", (nodes[-1].id,), width, kernel))
        if index < len(widths) - 1:
            nodes.append(Node(len(nodes), "pool", (nodes[-1].id,)))
    nodes.append(Node(len(nodes), head, (nodes[-1].id,), classes))
    return Architecture(tuple(nodes), image[1:])


def insert(g: Architecture, new: Node, before: int) -> tuple[Node, ...]:
    """Return the nodes of g, with the node `new` put in front of the node with the id `before`."""
    position = [n.id for n in g.nodes].index(before)
    return (*g.nodes[:position], new, *g.nodes[position:])


def rewire(
    nodes: tuple[Node, ...], old: int, new: int, keep: frozenset[int] = frozenset()
) -> tuple[Node, ...]:
    """Return the nodes, where every reader of `old` reads `new` instead, except the ids `keep`."""
    return tuple(
        n
        if n.id in keep or old not in n.inputs
        else replace(n, inputs=tuple(new if i == old else i for i in n.inputs))
        for n in nodes
    )
