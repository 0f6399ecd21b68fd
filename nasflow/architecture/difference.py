"""What a network has that its parent has not, and the other way round.

Ids are stable for life, so nodes are compared by id: no graph matching. Written for people: the
diagram colours it, the command line and the report say it.
"""

from __future__ import annotations

from typing import NamedTuple

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import HEADS, Node

Edge = tuple[int, int]  # from, to


class Difference(NamedTuple):
    """Ids of nodes and edges. `resized` have another width or kernel; a node whose input changed is
    the same node, its new edge is among `joined`. `cut` are edges between nodes that both still
    stand, which an inserted node does not replace."""

    added: frozenset[int]
    removed: frozenset[int]
    resized: frozenset[int]
    joined: frozenset[Edge]
    cut: frozenset[Edge]


NONE = Difference(*(frozenset[int](),) * 3, *(frozenset[Edge](),) * 2)


def edges(g: Architecture) -> frozenset[Edge]:
    """Every (from, to)."""
    return frozenset((source, node.id) for node in g.nodes for source in node.inputs)


def difference(g: Architecture, parent: Architecture) -> Difference:
    """From the parent to g."""
    now, before = ({node.id: node for node in a.nodes} for a in (g, parent))
    common = now.keys() & before.keys()
    resized = (i for i in common if _size(now[i]) != _size(before[i]))
    gone = edges(parent) - edges(g)
    return Difference(
        added=frozenset(now.keys() - common),
        removed=frozenset(before.keys() - common),
        resized=frozenset(resized),
        joined=edges(g) - edges(parent),
        cut=frozenset(e for e in gone if set(e) <= common and e[0] not in g.ancestors(e[1])),
    )


def sentences(g: Architecture, parent: Architecture) -> list[str]:
    """The difference in words, a line a node; empty where there is none."""
    found = difference(g, parent)
    lines = [f"new: {name(g, i)} {_place(g, i)}" for i in _ordered(g, found.added)]
    lines += [
        f"gone: {name(parent, i)} {_place(parent, i)}" for i in _ordered(parent, found.removed)
    ]
    for i in _ordered(g, found.resized):
        lines.append(f"changed: {name(parent, i)} is now {name(g, i)}")
    return lines


def name(g: Architecture, identity: int) -> str:
    """`conv 3×3, 48`: what a person calls a node."""
    node, channels = g[identity], g.shapes[identity][0]
    if node.op == "conv":
        return f"conv {node.kernel}×{node.kernel}, {node.width}"
    if node.op in HEADS:
        kind = "average" if node.op == "head" else "flatten"
        return f"{kind} + linear, {node.width}"
    words = {
        "image": "image",
        "pool": "max pool 2×2",
        "add": "add",
        "concat": "concat",
        "pad": "pad",
    }
    return words[node.op] if node.op in ("pool", "add") else f"{words[node.op]}, {channels}"


def _place(g: Architecture, identity: int) -> str:
    """Where it stands: what it reads."""
    return f"(node {identity}) after {' and '.join(name(g, i) for i in g[identity].inputs)}"


def _size(node: Node) -> tuple[str, int, int]:
    return node.op, node.width, node.kernel


def _ordered(g: Architecture, identities: frozenset[int]) -> list[int]:
    return [node.id for node in g.nodes if node.id in identities]
