"""The segments of a graph: for every node, the nodes that its channels come from, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nasflow.architecture.node import Node

MOST = 2_000_000  # segments that all joins of a graph read together; 8 bytes each, and some time


def segments(nodes: Sequence[Node]) -> dict[int, tuple[int, ...]]:
    """List the segments of every node.

    Args:
        nodes: the layers, in topological order.

    Returns:
        The ids of the segments of each node, by its id.

    Raises:
        ValueError: if the segments of two inputs of an add differ in their widths, or if the joins
            of the graph read too many segments.
    """
    result: dict[int, tuple[int, ...]] = {}
    width = {node.id: node.width for node in nodes}
    joined = 0
    for node in nodes:
        if node.op in ("concat", "add"):
            joined += sum(len(result[i]) for i in node.inputs)
            if joined > MOST:
                raise ValueError(
                    f"architecture: node {node.id}: {joined} segments are joined up to here; "
                    f"expected at most {MOST}"
                )
        if node.op in ("image", "conv", "whiten", "pad"):
            result[node.id] = (node.id,)
        elif node.op == "concat":
            result[node.id] = tuple(s for i in node.inputs for s in result[i])
        elif node.inputs:
            result[node.id] = result[node.inputs[0]]
        if node.op == "add":
            widths = [[width[s] for s in result[i]] for i in node.inputs]
            if widths[0] != widths[1]:
                raise ValueError(f"architecture: add {node.id} joins filters {_brief(widths)}")
    return result


def ties(
    nodes: Sequence[Node], segments: Mapping[int, tuple[int, ...]]
) -> dict[int, frozenset[int]]:
    """Group the segments that adds force to have equally many channels.

    Args:
        nodes: the layers, in topological order.
        segments: what `segments` returns for them.

    Returns:
        The group of each segment that an add reads, by its id.
    """
    group: dict[int, set[int]] = {}
    for node in nodes:
        if node.op == "add":
            for a, b in zip(*(segments[i] for i in node.inputs), strict=True):
                one, other = group.setdefault(a, {a}), group.setdefault(b, {b})
                if one is not other:
                    large, small = (one, other) if len(one) >= len(other) else (other, one)
                    large |= small
                    group.update(dict.fromkeys(small, large))
    done = {id(members): frozenset(members) for members in group.values()}
    return {one: done[id(members)] for one, members in group.items()}


def _brief(widths: list[list[int]]) -> str:
    """Write the widths as they are, unless there are too many of them for one line."""
    text = str(widths)
    return text if len(text) <= 400 else f"{text[:400]} ..."
