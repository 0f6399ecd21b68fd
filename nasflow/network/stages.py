"""Morphisms of whole stages: `deepen_stages`, `add_stage` and `grow`.

A stage of a network is all convolutions whose maps have the same size. Single morphisms change one
layer, and reach a good network only by many lucky draws. These ones change a network as a whole.
They are compositions of the morphisms of single layers, and keep the function as those do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from nasflow.architecture.architecture import Architecture, insert
from nasflow.architecture.node import Node
from nasflow.network.depth import deepen_behind
from nasflow.network.kernel_size import reaches
from nasflow.network.morphism import Site
from nasflow.network.network import Network
from nasflow.network.rewrite import Change, transfer
from nasflow.network.width import widen_all, widen_all_sites

KERNEL = 3  # the side of the kernels of all new convolutions
CONVS = 2  # the convolutions of a new stage


def deepen_sites(g: Architecture) -> Iterator[Site]:
    """List (number of new convolutions of each stage,), if there is a stage for them."""
    return ((count,) for count in (1, 2) if _ends(g))


def deepen_stages(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Insert one or two convolutions of the same width at the end of every stage.

    Stages whose maps are too small for a 3 x 3 kernel are left as they are. The function stays
    exactly the same in eval mode. In train mode it stays nearly the same behind a ReLU, and exactly
    behind a GELU (see `depth.deepen`). Every new tensor has a gradient from the first step on, or,
    behind a GELU, from the second one on.
    """
    (count,) = site
    for end in _ends(network.architecture):
        network = deepen_behind(network, end, KERNEL, count, rng)
    return network


def _ends(g: Architecture) -> list[int]:
    """List the node at the end of each stage, behind which it can be made deeper.

    It is the convolution with most nodes before it. Where a GELU follows that one, new layers stand
    beside a map; then it is the last add behind it, if there is one: its map holds all branches.
    """
    ends = []
    for stage in g.stages:
        deepest = max(reversed(stage), key=lambda conv: len(g.ancestors(conv.id)))
        if not reaches(g, deepest, KERNEL):
            continue
        joins = _adds_behind(g, deepest) if deepest.smooth else []
        ends.append([deepest.id, *joins][-1])
    return ends


def _adds_behind(g: Architecture, conv: Node) -> list[int]:
    """List the adds that a path leads to from a convolution, with maps of the same size."""
    adds = (node.id for node in g.nodes if node.op == "add")
    same = (add for add in adds if g.shapes[add][1:] == g.shapes[conv.id][1:])
    return [add for add in same if conv.id in g.ancestors(add)]


def stage_sites(g: Architecture) -> Iterator[Site]:
    """List (number of convolutions of the new stage,), if a new stage keeps the function.

    Its maps must have at least 2 x 2 pixels. A head that reads the maximum of each map needs maps
    with even sides, and there is no site for a head that reads whole maps.
    """
    _, *sides = g.shapes[g.head.inputs[0]]
    even = all(side % 2 == 0 for side in sides)
    if g.convs and min(sides) > 2 and (g.head.op == "head" or (g.head.op == "peak_head" and even)):
        yield (CONVS,)


def add_stage(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Insert a pool and two convolutions in front of the head, with as many filters as channels.

    The pool keeps what the head reads. In front of a head that averages it is a mean pool: the sum
    over its map is a quarter of the sum over the map before it, whatever the sides are. So the mean
    changes by a known factor, which is 1 for even sides, and the weights of the head are divided by
    this factor. In front of a head that reads maxima it is a max pool. The convolutions keep the
    function as in `deepen_behind`: exactly in eval mode, and in train mode too, or nearly so where
    they are identities. Every new tensor has a gradient from the second step on at the latest.

    Raises:
        ValueError: if the head would read something else.
    """
    if site not in stage_sites(network.architecture):
        raise ValueError(f"add_stage: the {network.architecture.head.op} would read another value")
    pooled = _pooled(network)
    pool = pooled.architecture.head.inputs[0]
    return deepen_behind(pooled, pool, KERNEL, site[0], rng)


def _pooled(network: Network) -> Network:
    """Insert a pool in front of the head, and scale the weights of the head accordingly."""
    g = network.architecture
    source, head = g.head.inputs[0], f"{g.head.id}.weight"
    averages = g.head.op == "head"
    pool = Node(g.next_id, "mean_pool" if averages else "pool", (source,))
    nodes = insert(g, pool, g.head.id)
    child = Architecture((*nodes[:-1], replace(g.head, inputs=(pool.id,))), g.size)
    before, after = (math.prod(child.shapes[i][1:]) for i in (source, pool.id))
    factor = 4.0 * after / before if averages else 1.0
    return transfer(network, child, {head: Change(linear=lambda weight: factor * weight)})


def grow_sites(g: Architecture) -> Iterator[Site]:
    """List (new convolutions of each stage, factor of the widths in halves)."""
    if _ends(g) and any(widen_all_sites(g)):
        yield (1, 3)


def grow(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Make a network wider by `widen_all` and then deeper by `deepen_stages`.

    In the other order, the new filters of a layer with GELU would have a gradient only from the
    third step on: the new add behind the layer would hand on none of them at first.
    """
    count, halves = site
    return deepen_stages(widen_all(network, (halves,), rng), (count,), rng)
