"""What differs between an architecture and its parent.

The id of a node never changes, so that nodes are compared by their ids, and no graphs are matched.
The difference is for people: the diagram shows it in colours, the command line and the report say
it in words.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import FILTERING, HEADS, POOLS, Node

Edge = tuple[int, int]  # from, to
SEARCHED = 500  # edges for which a path is searched; each search looks at the whole graph


class Difference(NamedTuple):
    """What changed, as ids of nodes and as edges.

    A node that reads another input than before counts as the same node.

    Attributes:
        added: the nodes that the parent does not have.
        removed: the nodes that only the parent has.
        resized: the nodes with another width or kernel.
        joined: the edges that the parent does not have.
        cut: the edges that only the parent has, between nodes that both still stand. An edge whose
            place is taken by an inserted node, so that a path still leads from one to the other, is
            left out. Where more than SEARCHED edges are gone, none is left out.
    """

    added: frozenset[int]
    removed: frozenset[int]
    resized: frozenset[int]
    joined: frozenset[Edge]
    cut: frozenset[Edge]


NONE = Difference(*(frozenset[int](),) * 3, *(frozenset[Edge](),) * 2)


def edges(g: Architecture) -> frozenset[Edge]:
    """Collect all edges of a graph, as (from, to)."""
    return frozenset((source, node.id) for node in g.nodes for source in node.inputs)


def difference(g: Architecture, parent: Architecture) -> Difference:
    """Find what changed from the parent to g."""
    now, before = ({node.id: node for node in a.nodes} for a in (g, parent))
    common = now.keys() & before.keys()
    resized = (i for i in common if _size(now[i]) != _size(before[i]))
    gone = edges(parent) - edges(g)
    few = len(gone) <= SEARCHED
    return Difference(
        added=frozenset(now.keys() - common),
        removed=frozenset(before.keys() - common),
        resized=frozenset(resized),
        joined=edges(g) - edges(parent),
        cut=frozenset(
            e for e in gone if set(e) <= common and not (few and e[0] in g.ancestors(e[1]))
        ),
    )


def sentences(g: Architecture, parent: Architecture) -> list[str]:
    """Say the difference in words: one line for each new or removed node and each kind of resize.

    Layers that change in the same way share a line, because a compound morphism changes many.
    """
    found = difference(g, parent)
    lines = [f"new: {name(g, i)} {_place(g, i)}" for i in _ordered(g, found.added)]
    lines += [
        f"removed: {name(parent, i)} {_place(parent, i)}" for i in _ordered(parent, found.removed)
    ]
    pairs = ((name(parent, i), name(g, i)) for i in _ordered(g, found.resized))
    for (before, after), count in Counter(pairs).items():
        times = f" ({count} layers)" if count > 1 else ""
        lines.append(f"changed: {before} is now {after}{times}")
    return lines


def name(g: Architecture, identity: int) -> str:
    """Name a node for people, such as `conv 3×3, 48`."""
    node, channels = g[identity], g.shapes[identity][0]
    if node.op in FILTERING:
        kind = f"{node.op} {node.kernel}×{node.kernel}" + "/2" * (node.stride == 2)
        return f"{kind}{' GELU' * node.smooth}, {node.width}"
    if node.op in HEADS:
        kind = {"head": "average", "flat_head": "flatten", "peak_head": "maximum"}[node.op]
        return f"{kind} + linear, {node.width}"
    words = {
        "image": "image",
        "pool": "max pool 2×2",
        "mean_pool": "mean pool 2×2",
        "add": "add",
        "concat": "concat",
        "pad": "pad",
    }
    return words[node.op] if node.op in (*POOLS, "add") else f"{words[node.op]}, {channels}"


def _place(g: Architecture, identity: int) -> str:
    """Return the place of a node: its id, and what it reads."""
    return f"(node {identity}) after {' and '.join(name(g, i) for i in g[identity].inputs)}"


def _size(node: Node) -> tuple[str, int, int]:
    return node.op, node.width, node.kernel


def _ordered(g: Architecture, identities: frozenset[int]) -> list[int]:
    return [node.id for node in g.nodes if node.id in identities]
