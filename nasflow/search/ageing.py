"""Gradient ageing of NASGraph: old layers learn more slowly than the newest ones.

The tables of the paper contain NASGraph, a variant of the algorithm NASH. It multiplies the
gradient of each layer by a Gaussian of the distance in the graph between this layer and the newest
layer. The exact formula is not public. This module is our interpretation of it.
"""

from __future__ import annotations

import math
from collections import deque

from nasflow.architecture.architecture import Architecture


def gains(parent: Architecture, child: Architecture, s: float) -> dict[str, float]:
    """Compute the factor by which the gradient of each tensor of a child is multiplied.

    The factor is exp(-d^2 / (2 s^2)), where d is the distance between the layer of the tensor and
    the nearest of the newest layers. It is 1 for all tensors if the child has no newest layer.

    Args:
        parent: the architecture that the child was made from.
        child: the architecture of the child.
        s: the width of the Gaussian, in layers.

    Returns:
        The factor for each name of a tensor.
    """
    distance = distances(child, newest(parent, child))
    return {
        name: math.exp(-(distance[int(name.split(".")[0])] ** 2) / (2.0 * s * s))
        for name in child.tensors
    }


def newest(parent: Architecture, child: Architecture) -> frozenset[int]:
    """Find the newest layers of a child.

    They are the nodes that the parent does not have, and the layers whose tensors have other shapes
    than in the parent. A morphism that only removes nodes creates none of these. In this case they
    are the nodes that read other nodes than in the parent.

    Args:
        parent: the architecture that the child was made from.
        child: the architecture of the child.

    Returns:
        The ids of these nodes, possibly none.
    """
    old = {node.id: node for node in parent.nodes}
    created = {node.id for node in child.nodes if node.id not in old}
    reshaped = {
        int(name.split(".")[0])
        for name, shape in child.tensors.items()
        if parent.tensors.get(name) != shape
    }
    rewired = {n.id for n in child.nodes if n.id in old and n.inputs != old[n.id].inputs}
    return frozenset(created | reshaped or rewired)


def distances(g: Architecture, sources: frozenset[int]) -> dict[int, int]:
    """Compute the distance from each node to the nearest source, in layers.

    The distance is the number of layers on the shortest path from a source to the node, along edges
    in either direction. The node itself counts, the source does not. Nodes without parameters, such
    as pools and concatenations, do not count.

    Args:
        g: the architecture.
        sources: the ids of the nodes at distance 0.

    Returns:
        The distance for each id of a node; 0 for all nodes if there is no source.
    """
    if not sources:
        return dict.fromkeys((node.id for node in g.nodes), 0)
    layers = {int(name.split(".")[0]) for name in g.tensors}
    found = dict.fromkeys(sources, 0)
    queue = deque(sorted(sources))
    while queue:  # a breadth-first search, in which a node costs 0 or 1
        current = queue.popleft()
        near = (*g[current].inputs, *(reader.id for reader in g.consumers(current)))
        for node in near:
            length = found[current] + (node in layers)
            if length < found.get(node, length + 1):
                found[node] = length
                (queue.append if node in layers else queue.appendleft)(node)
    return found
