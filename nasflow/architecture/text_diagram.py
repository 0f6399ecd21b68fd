"""An architecture as lines of text: a node a line, rails on the left for what skips nodes.

      image       1 x  8 x  8
    v conv_1      8 x  8 x  8   3x3
    +-< pool_2 ...

A node marked with an arrow reads the node above it; all else that it reads comes along a rail.
"""

from __future__ import annotations

from typing import NamedTuple

from nasflow.architecture.architecture import Architecture


class Strokes(NamedTuple):
    """The characters of a drawing."""

    rail: str
    level: str
    opens: str
    closes: str
    into: str
    down: str


DRAWN = Strokes("│", "─", "╭", "╰", "▶", "↓")
PLAIN = Strokes("|", "-", ".", "'", ">", "v")


def rails(g: Architecture, strokes: Strokes = DRAWN) -> list[str]:
    """What stands left of each node, all of one width."""
    position = {node.id: row for row, node in enumerate(g.nodes)}
    edges = [
        (position[source], position[node.id])
        for node in g.nodes
        for source in node.inputs
        if position[node.id] - position[source] > 1
    ]
    columns = _columns(edges)
    width = 1 + max(columns.values(), default=-1)
    return [_row(row, width, columns, g, strokes) for row in range(len(g.nodes))]


def _columns(edges: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """A column for each edge, from the nodes outwards (0); short edges nearest, none crossed by
    one of its own column. Edges from one node may share no column while both run."""
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
