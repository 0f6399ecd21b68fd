"""What the operations of a network have to do, counted so that the time grows with each count.

The counts follow what onnxruntime makes of a network on one core of an x86-64 processor (release
1.32: the graphs that it optimises, and measured times of layers).

In float32 it keeps maps in blocks of 8 or 16 channels, as many as a vector register holds. A
convolution that reads fewer channels than a block is computed `direct` from the image. One whose
number of input channels is divisible by 4 is computed `blocked`, its channels rounded up to whole
blocks. Any other one is `plain`: its input is copied to columns and multiplied as a matrix. Where a
blocked and a plain operation meet, a map is reordered.

In int8 no map lies in blocks. A convolution is `packed` where its input channels and its filters
can be divided by 4 and there are 16 filters or more; it reads its input where it lies. The input of
any other one is copied to columns, which is quicker `by fours`, where the channels allow it.
"""

from __future__ import annotations

from collections import Counter

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import FILTERING, HEADS, POOLS, Node
from nasflow.config.kinds import Stored

DIVISOR = 4  # of the channels of a blocked or a packed convolution
LANES = 16  # filters that are computed together in int8


def amounts(g: Architecture, precision: Stored, block: int) -> dict[str, float]:
    """Count what a network has to do for one image.

    Args:
        g: an architecture.
        precision: the number format in which it runs.
        block: channels of a block; 1 for a processor without blocks.

    Returns:
        Amounts by name: numbers of operations, of multiplications, and of values that are moved.
    """
    count = _Float(g, block) if precision == Stored.FLOAT32 else _Int8(g)
    for node in g.nodes[1:]:
        count.add(node)
    return dict(count.found)


def _up(value: int, block: int) -> int:
    """Round up to a multiple of a block."""
    return -(-value // block) * block


class _Count:
    """The amounts of a network, added up node by node."""

    def __init__(self, g: Architecture) -> None:
        self.g = g
        channels, height, width = g.shapes[g.image.id]
        self.found: Counter[str] = Counter({"network": 1, "image": channels * height * width})

    def note(self, name: str, values: int) -> None:
        """Count one operation of a kind, and the values that it moves."""
        self.found[name] += 1
        self.found[f"{name} values"] += values

    def values(self, identity: int, block: int = 1) -> int:
        """Return how many values a map has, its channels rounded up to blocks."""
        channels, height, width = self.g.shapes[identity]
        return _up(channels, block) * height * width

    def head(self, node: Node) -> None:
        values = self.values(node.inputs[0])
        self.note(node.op, values * node.width if node.op == "flat_head" else values)


class _Float(_Count):
    """The amounts in float32."""

    def __init__(self, g: Architecture, block: int) -> None:
        super().__init__(g)
        self._block = block
        self._blocked = {g.image.id: False}  # whether the map of a node lies in blocks

    def add(self, node: Node) -> None:
        """Count the operations of a node."""
        sources = [self._blocked[i] for i in node.inputs]
        whole = all(sources)
        if node.op in FILTERING:
            whole = self._convolution(node)
        elif node.op in POOLS or node.op == "add":
            size = self.values(node.inputs[0], self._block if whole else 1)
            self.note(f"{'blocked' if whole else 'plain'} {node.op}", size)
            self._reorder(node, to=whole)
        elif node.op == "concat":
            whole &= all(self.g.shapes[i][0] % self._block == 0 for i in node.inputs)
            self.note(node.op, self.values(node.id))
            self._reorder(node, to=whole)
        elif node.op in HEADS:
            self.head(node)
        else:
            whole = False
            self.note(node.op, self.values(node.id))
            self._reorder(node, to=whole)
        self._blocked[node.id] = whole

    def _reorder(self, node: Node, *, to: bool) -> None:
        """Count the maps that must be brought into blocks, or out of them, before a node."""
        for source in node.inputs:
            if self._blocked[source] != to:
                self.note("reorder", self.values(source))

    def _convolution(self, node: Node) -> bool:
        """Count a convolution, and tell whether its map lies in blocks."""
        channels, (_, height, width) = self.g.shapes[node.inputs[0]][0], self.g.shapes[node.id]
        block, taps, pixels = self._block, node.kernel**2, height * width
        plain = (channels >= block and channels % DIVISOR != 0) or block == 1
        kind = "plain" if plain else "direct" if channels < block else "blocked"
        if kind == "blocked":
            channels = _up(channels, block)
        filters = node.width if plain else _up(node.width, block)
        products = channels * filters * taps
        self.found[kind] += 1
        self.found[f"{kind} products"] += products * pixels
        self.found[f"{kind} weights"] += products
        if plain:
            self.found["plain columns"] += channels * taps * pixels if taps > 1 else 0
            self.found["plain values"] += filters * pixels
        else:  # pixels at the left and right edge are computed one by one
            self.found[f"{kind} edges"] += products * height * min(width, node.kernel - 1)
        if kind != "direct":
            self._reorder(node, to=not plain)
        if node.smooth:
            self.note("gelu", self.values(node.id))
        return not plain and not node.smooth


class _Int8(_Count):
    """The amounts in int8."""

    def add(self, node: Node) -> None:
        """Count the operations of a node."""
        if node.op in FILTERING:
            self._convolution(node)
        elif node.op in HEADS:
            self.head(node)
        else:
            self.note(node.op, self.values(node.inputs[0] if node.op in POOLS else node.id))

    def _convolution(self, node: Node) -> None:
        """Count a convolution."""
        channels, (_, height, width) = self.g.shapes[node.inputs[0]][0], self.g.shapes[node.id]
        taps, pixels, filters = node.kernel**2, height * width, _up(node.width, LANES)
        fours = channels % DIVISOR == 0
        packed = fours and node.width % DIVISOR == 0 and node.width >= LANES
        kind = "packed" if packed else "copied by fours" if fours else "copied"
        self.note(kind, node.width * pixels)
        self.found[f"{kind} products"] += channels * taps * filters * pixels
        self.found[f"{kind} weights"] += channels * taps * filters
        self.found[f"{kind} taps"] += taps * pixels
        if not packed:
            self.found[f"{kind} columns"] += channels * taps * pixels
        self.found["filtered values"] += filters * pixels
        if node.smooth:
            self.note("gelu", self.values(node.id))
