"""Gradient ageing of NASGraph: old layers are held back while the newest ones learn.

NASGraph stands in the tables of the paper as NASH with the gradient of each layer weighted by a
Gaussian of its graph distance to the newest layer. The exact formula is not public: this is our
reading of it.
"""

from __future__ import annotations

import math
from collections import deque

from nasflow.architecture.architecture import Architecture


def gains(parent: Architecture, child: Architecture, s: float) -> dict[str, float]:
    """exp(-d^2 / (2 s^2)) by tensor name, d the distance of its layer to the nearest newest one;
    1 where the child has no newest layer."""
    distance = distances(child, newest(parent, child))
    return {
        name: math.exp(-(distance[int(name.split(".")[0])] ** 2) / (2.0 * s * s))
        for name in child.tensors
    }


def newest(parent: Architecture, child: Architecture) -> frozenset[int]:
    """Nodes that the child has and the parent has not, and layers whose tensors changed shape.

    A morphism that only removes leaves neither: then those that read other nodes than before."""
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
    """Layers on the shortest way from the nearest source to a node, itself counted, along edges in
    either direction; what learns nothing (pools, concatenations) lies on the way for free. 0
    everywhere without a source."""
    if not sources:
        return dict.fromkeys((node.id for node in g.nodes), 0)
    layers = {int(name.split(".")[0]) for name in g.tensors}
    found = dict.fromkeys(sources, 0)
    queue = deque(sorted(sources))
    while queue:  # 0-1 breadth first
        current = queue.popleft()
        near = (*g[current].inputs, *(reader.id for reader in g.consumers(current)))
        for node in near:
            length = found[current] + (node in layers)
            if length < found.get(node, length + 1):
                found[node] = length
                (queue.append if node in layers else queue.appendleft)(node)
    return found
