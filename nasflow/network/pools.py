"""Morphisms that change the number of pools: `add_pool` and `remove_pool`.

A pool is here a 2 x 2 max pool: it halves the height and the width of a map. Both morphisms change
the function of the network. (`stages.add_stage` adds pools that keep it.)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nasflow.architecture.architecture import Architecture, insert, rewire
from nasflow.architecture.node import Node
from nasflow.network.morphism import Site
from nasflow.network.network import Network
from nasflow.network.rewrite import Change, transfer


def add_sites(g: Architecture) -> Iterator[Site]:
    """List the nodes between image and head that have a map of at least 2 x 2."""
    return ((n.id,) for n in g.nodes[1:-1] if min(g.shapes[n.id][1:]) >= 2)


def add_pool(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Insert a 2 x 2 max pool behind a node; what follows costs a quarter and sees twice as far.

    The function changes, and the first losses of the child show by how much. A pool that preserves
    the function would have to be a branch beside the map, which makes the network dearer instead of
    cheaper. No tensor is new, so that none lacks a gradient.

    Raises:
        ValueError: if a join would then read maps of different sizes.
    """
    g, (source,) = network.architecture, site
    new = g.next_id
    after = g.behind(source)
    nodes = rewire(
        insert(g, Node(new, "pool", (source,)), after), source, new, keep=frozenset({new})
    )
    return _refit(network, Architecture(nodes, g.size))


def remove_sites(g: Architecture) -> Iterator[Site]:
    """List all max pools."""
    return ((node.id,) for node in g.nodes if node.op == "pool")


def remove_pool(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Remove a pool: the maps behind it get the size of those before it. The function changes.

    Raises:
        ValueError: if a join would then read maps of different sizes.
    """
    g, (pool,) = network.architecture, site
    nodes = tuple(n for n in rewire(g.nodes, pool, g[pool].inputs[0]) if n.id != pool)
    return _refit(network, Architecture(nodes, g.size))


def _refit(network: Network, child: Architecture) -> Network:
    """Carry over the weights to a child whose last map has another size.

    A flat head has a weight for every pixel: its weights are cropped, or padded with zeros, around
    the middle (paper 4.3). A head behind the global average needs no such step.
    """
    old, head = network.architecture, child.head
    if head.op != "flat_head":
        return transfer(network, child, {})
    before, after = (g.shapes[g.head.inputs[0]][1:] for g in (old, child))
    axes = {}
    for axis, (was, now) in enumerate(zip(before, after, strict=True), 2):
        first = int((was - now) / 2)  # rounds towards zero, so that padding undoes cropping
        axes[axis] = tuple(i if 0 <= i < was else -1 for i in range(first, first + now))
    return transfer(network, child, {f"{head.id}.weight": Change(axes)})
