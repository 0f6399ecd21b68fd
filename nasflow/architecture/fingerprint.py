"""The fingerprint of a graph of layers: a short text that is equal for isomorphic graphs."""

from __future__ import annotations

import hashlib

from nasflow.architecture.node import Node


def fingerprint(nodes: tuple[Node, ...], size: tuple[int, int]) -> str:
    """Digest a graph, whatever the ids of its nodes are.

    The digest is taken over Weisfeiler-Lehman colours. The colour of a node begins as its own
    properties. Then each node takes in the colours of its inputs and of its consumers, and this is
    repeated as often as there are nodes. The order of the inputs does not count, since sums and
    concatenations are symmetric.

    Args:
        nodes: the layers, in topological order.
        size: (height, width) of the image.

    Returns:
        16 hexadecimal digits.
    """
    consumers: dict[int, list[int]] = {n.id: [] for n in nodes}
    for n in nodes:
        for i in n.inputs:
            consumers[i].append(n.id)
    colour = {n.id: _properties(n) for n in nodes}
    for _ in nodes:
        colour = {
            n.id: _digest(
                colour[n.id],
                *sorted(colour[i] for i in n.inputs),
                "|",
                *sorted(colour[c] for c in consumers[n.id]),
            )
            for n in nodes
        }
    return _digest(*sorted(colour.values()), str(size))[:16]


def _properties(n: Node) -> str:
    """Write a node's own properties; a stride of 1 and a ReLU are left out, as in files."""
    stride = f",stride {n.stride}" * (n.stride != 1)
    return f"{n.op},{n.width},{n.kernel}{stride}" + f",{n.activation}" * (n.activation != "relu")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
