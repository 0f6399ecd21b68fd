"""An architecture g: a convolutional network as a directed acyclic graph, without weights.

The nodes stand in topological order, so that each node comes behind those that it reads: the image
is the first node and the head is the last. The id of a node never changes. A morphism renames no
node, so that every tensor of an untouched node carries over by its name. A new node gets the
largest id + 1.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from functools import cached_property

from nasflow.architecture import architecture_file
from nasflow.architecture.fingerprint import fingerprint
from nasflow.architecture.node import (
    FILTERING,
    HEADS,
    POOLS,
    Node,
    check,
    output_shape,
    tensor_shapes,
)
from nasflow.architecture.segments import segments, ties


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
        if not self.nodes:
            raise ValueError("architecture: no nodes; expected an image first and a head last")
        seen: set[int] = set()
        for position, node in enumerate(self.nodes):
            check(node, seen, position, len(self.nodes))
            seen.add(node.id)
        unused = seen - {i for node in self.nodes for i in node.inputs} - {self.nodes[-1].id}
        if unused:
            more = f" and {len(unused) - 20} more" if len(unused) > 20 else ""
            raise ValueError(f"architecture: nodes {sorted(unused)[:20]}{more} feed nothing")
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
    def stages(self) -> tuple[tuple[Node, ...], ...]:
        """The convolutions by the size of their maps, the largest maps first.

        A stage is all convolutions whose maps have the same height and width.
        """
        found: dict[tuple[int, int], list[Node]] = {}
        for conv in self.convs:
            found.setdefault(self.shapes[conv.id][1:], []).append(conv)
        order = sorted(found, key=math.prod, reverse=True)
        return tuple(tuple(found[size]) for size in order)

    @cached_property
    def next_id(self) -> int:
        """The id that the next new node gets."""
        return max(self._by_id) + 1

    def behind(self, identity: int) -> int:
        """Return the id of the node that stands behind a node in the list of all nodes."""
        order = [node.id for node in self.nodes]
        return order[order.index(identity) + 1]

    def consumers(self, identity: int) -> tuple[Node, ...]:
        """List the nodes that read the output of a node, in topological order."""
        return tuple(self._readers.get(identity, ()))

    @cached_property
    def _readers(self) -> dict[int, list[Node]]:
        found: dict[int, list[Node]] = {}
        for node in self.nodes:
            for source in node.inputs:
                found.setdefault(source, []).append(node)
        return found

    @cached_property
    def pooled(self) -> dict[int, int]:
        """The id of the pool, by the id of each convolution that only a pool reads."""
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

        A segment is the image, a convolution, a whiten or a pad: these make their own channels. A
        concatenation has the segments of all its inputs; a pool, an add and a head have those of
        their first input. Raises ValueError if the segments of two inputs of an add differ in
        their widths.
        """
        return segments(self.nodes)

    def tied(self, conv: int) -> frozenset[int]:
        """Collect the segments that adds force to have as many channels as a convolution has.

        An add needs inputs of equal width, segment by segment. So the segments at the same place of
        its two inputs are tied, and ties go on from add to add. The convolution belongs to its own
        group.
        """
        return self._ties.get(conv, frozenset((conv,)))

    @cached_property
    def _ties(self) -> dict[int, frozenset[int]]:
        return ties(self.nodes, self.segments)

    @cached_property
    def rigid(self) -> frozenset[int]:
        """The segments with a fixed number of channels: image, whitens, pads, and what pads read.

        New channels of a node that a pad reads would come where the zeros of the pad are.
        """
        pads = [node for node in self.nodes if node.op == "pad"]
        read = {s for pad in pads for s in self.segments[pad.inputs[0]]}
        fixed = {node.id for node in self.nodes if node.op in ("image", "whiten", "pad")}
        return frozenset(read | fixed)

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
        """The shapes of what is kept but not learned, by name.

        These are the running statistics of all BatchNorms, and the filters of each whiten.
        """
        running = {f"{n.id}.{s}": (n.width,) for n in self.convs for s in ("mean", "variance")}
        fixed: dict[str, tuple[int, ...]] = {
            f"{n.id}.filters": (n.width, self.shapes[n.inputs[0]][0], n.kernel, n.kernel)
            for n in self.nodes
            if n.op == "whiten"
        }
        return {**running, **fixed}

    @cached_property
    def parameters(self) -> int:
        """The number of learned numbers."""
        return sum(math.prod(shape) for shape in self.tensors.values())

    @cached_property
    def flops(self) -> int:
        """The multiplications and additions of all filters and the head, for one image, forward."""
        total, sizes = 0, {**self.tensors, **self.buffers}
        for node in self.nodes:
            for weights in (f"{node.id}.weight", f"{node.id}.filters"):
                if weights in sizes:
                    _, height, width = self.shapes[node.id]
                    total += 2 * math.prod(sizes[weights]) * height * width
        return total

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that are equal for isomorphic graphs, whatever their ids are."""
        return fingerprint(self.nodes, self.size)

    def to_json(self) -> str:
        """Write the architecture as JSON; equal architectures give bit for bit the same text."""
        data = {"schema": 1, "size": list(self.size), "nodes": [_entry(n) for n in self.nodes]}
        return json.dumps(data, indent=1)

    @staticmethod
    def from_json(text: str) -> Architecture:
        """Read an architecture from the text that `to_json` wrote.

        Module `architecture_file` has the bounds of its values.

        Raises:
            ValueError: if the text is not JSON, has another schema, lacks a key or has an unknown
                one, holds a value of a wrong type or out of bounds, or describes a graph that is
                not legal.
        """
        g = Architecture(*architecture_file.read(text))
        architecture_file.check_sizes(g.parameters, g.flops, max(map(math.prod, g.shapes.values())))
        return g

    def describe(self) -> str:
        """Write one line for people: `0:image 1:conv16k3 2:pool 3:conv16k3 4:add[3, 2] 5:head`.

        A convolution shows its filters and its kernel, with `s2` behind it for a stride of 2 and
        `gelu` for that activation; an add, a concatenation and a pad show the ids of the nodes that
        they read.
        """
        return " ".join(f"{n.id}:{_word(n)}" for n in self.nodes)


def _entry(node: Node) -> dict[str, object]:
    """Return the entry of a node in JSON; a stride of 1 and a ReLU are left out."""
    usual = {"stride": 1, "activation": "relu"}
    return {name: v for name, v in asdict(node).items() if usual.get(name) != v}


def _word(n: Node) -> str:
    """Return the word of a node in `describe`."""
    if n.op in ("image", *POOLS, *HEADS):
        return n.op
    if n.op in FILTERING:
        return f"{n.op}{n.width}k{n.kernel}" + "s2" * (n.stride == 2) + "gelu" * n.smooth
    return f"{n.op}{list(n.inputs)}"


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
