"""Morphisms that change how the head reads its map: `flatten_head` and `average_head`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from torch import Tensor

from nasflow.architecture.architecture import Architecture
from nasflow.network.morphism import Site
from nasflow.network.network import Network
from nasflow.network.rewrite import Change, transfer


def flatten_sites(g: Architecture) -> Iterator[Site]:
    """List the head, if it averages maps of more than one pixel."""
    if g.head.op == "head" and math.prod(g.shapes[g.head.inputs[0]][1:]) > 1:
        yield (g.head.id,)


def flatten_head(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Give the head a weight for every pixel of its maps: it then sees places.

    A head that averages a map multiplies the mean of H W pixels by w. A flat head, where each
    pixel has the weight w / (H W), computes the same, in both modes. The velocities pass through
    the same map. Every weight has a gradient from the first step on.
    """
    g = network.architecture
    nodes = tuple(replace(n, op="flat_head") if n == g.head else n for n in g.nodes)
    _, height, width = g.shapes[g.head.inputs[0]]

    def spread(weight: Tensor) -> Tensor:
        return (weight / (height * width))[:, :, None, None]

    child = Architecture(nodes, g.size)
    return transfer(network, child, {f"{g.head.id}.weight": Change(linear=spread)})


def average_sites(g: Architecture) -> Iterator[Site]:
    """List the head, if it has a weight for every pixel of maps of more than one."""
    if g.head.op == "flat_head" and math.prod(g.shapes[g.head.inputs[0]][1:]) > 1:
        yield (g.head.id,)


def average_head(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Let a flat head read the average of each map: the inverse of `flatten_head`.

    The weight of an average is the sum of the weights of its pixels, which gives the same logits
    for maps that are constant. For others the function changes. The velocities pass through the
    same map.
    """
    g = network.architecture
    nodes = tuple(replace(n, op="head") if n == g.head else n for n in g.nodes)

    def summed(weight: Tensor) -> Tensor:
        return weight.sum((2, 3))

    child = Architecture(nodes, g.size)
    return transfer(network, child, {f"{g.head.id}.weight": Change(linear=summed)})
