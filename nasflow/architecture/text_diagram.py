"""The left side of a drawing of an architecture as text: one line for each node.

A skip connection is a vertical line, called a rail, on the left of the nodes that it passes:

         image
    ╭──↓ conv_1
    │  ↓ conv_2
    │  ↓ conv_3
    ╰─▶↓ add_4
       ↓ head

An arrow down marks a node that reads the node above it. Everything else that a node reads comes
along a rail.
"""

from __future__ import annotations

from typing import NamedTuple

from nasflow.architecture.architecture import Architecture


class Strokes(NamedTuple):
    """The characters of a drawing.

    Attributes:
        rail: a rail that passes a node.
        level: the way from a node to its rail.
        opens: the corner where a rail leaves a node.
        closes: the corner where a rail arrives.
        into: the arrow from a rail into a node.
        down: the arrow from a node into the next one.
    """

    rail: str
    level: str
    opens: str
    closes: str
    into: str
    down: str


MOST = 500  # rails; a drawing of more is too wide to read, and its time grows as their square

DRAWN = Strokes("│", "─", "╭", "╰", "▶", "↓")
PLAIN = Strokes("|", "-", ".", "'", ">", "v")


def rails(g: Architecture, strokes: Strokes = DRAWN) -> list[str]:
    """Draw what stands on the left of each node.

    Args:
        g: the architecture.
        strokes: the characters to draw with; PLAIN has ASCII only.

    Returns:
        One text for each node, in order, all of the same length. A graph of more than MOST skips
        is drawn without rails.
    """
    position = {node.id: row for row, node in enumerate(g.nodes)}
    edges = [
        (position[source], position[node.id])
        for node in g.nodes
        for source in node.inputs
        if position[node.id] - position[source] > 1
    ]
    columns = _columns(edges) if len(edges) <= MOST else {}
    width = 1 + max(columns.values(), default=-1)
    return [_row(row, width, columns, g, strokes) for row in range(len(g.nodes))]


def _columns(edges: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Return the column of the rail of each edge; column 0 is nearest to the nodes.

    Short edges come first, so that they are nearest. Two edges whose rows overlap have different
    columns, even where they only meet in one node.
    """
    columns: dict[tuple[int, int], int] = {}
    for edge in sorted(edges, key=lambda edge: (edge[1] - edge[0], edge)):
        taken = {c for (a, b), c in columns.items() if a <= edge[1] and edge[0] <= b}
        columns[edge] = next(c for c in range(len(edges)) if c not in taken)
    return columns


def _row(
    row: int,
    width: int,
    columns: dict[tuple[int, int], int],
    g: Architecture,
    strokes: Strokes,
) -> str:
    cells = [" "] * (2 * width)
    ends = [
        (c, strokes.opens if a == row else strokes.closes, b == row)
        for (a, b), c in columns.items()
        if row in (a, b)
    ]
    for (a, b), column in columns.items():
        if a < row < b:
            cells[2 * (width - 1 - column)] = strokes.rail
    for column, corner, _ in sorted(ends, reverse=True):
        start = 2 * (width - 1 - column)
        cells[start] = corner
        for i in range(start + 1, 2 * width):
            cells[i] = strokes.level if cells[i] == " " else cells[i]
    arrives = any(into for *_, into in ends)
    above = row > 0 and g.nodes[row - 1].id in g.nodes[row].inputs
    mark = strokes.down if above else " "
    joint = strokes.into if arrives else (strokes.level if ends else " ")
    return "".join(cells) + (joint if width else "") + mark
