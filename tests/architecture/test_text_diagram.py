"""Rails beside a list of nodes show what each node reads."""

from __future__ import annotations

import cases
import pytest

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node
from nasflow.architecture.templates import chain
from nasflow.architecture.text_diagram import PLAIN, rails


@pytest.mark.parametrize("seed", range(6))
def test_rails_reach_exactly_what_a_node_reads_from_afar(seed: int) -> None:
    g = cases.network(seed, 9).architecture
    lines = rails(g, PLAIN)
    assert len({len(line) for line in lines}) == 1 and "".join(lines).isascii()
    position = {node.id: row for row, node in enumerate(g.nodes)}
    for row, (node, line) in enumerate(zip(g.nodes, lines, strict=True)):
        gaps = [row - position[i] for i in node.inputs]
        assert (PLAIN.down in line) == (1 in gaps)
        assert (PLAIN.closes in line) == any(gap > 1 for gap in gaps)
        passing = sum(
            position[i] < row < position[n.id] for n in g.nodes for i in n.inputs if i in position
        )
        assert line.count(PLAIN.rail) == passing


def test_a_chain_has_no_rails() -> None:
    assert rails(chain((4, 8), 3, (1, 8, 8), 3)) == [" ", *("↓" * 4)]


def test_a_skip_is_drawn() -> None:
    nodes = (
        Node(0, "image", (), 1),
        Node(1, "conv", (0,), 4, 3),
        Node(2, "conv", (1,), 4, 3),
        Node(3, "add", (2, 1)),
        Node(4, "head", (3,), 2),
    )
    assert rails(Architecture(nodes, (8, 8))) == ["    ", "╭──↓", "│  ↓", "╰─▶↓", "   ↓"]
