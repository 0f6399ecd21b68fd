"""Morphisms that remove layers of a network as a whole: `shallow_stages` and `remove_stage`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node
from nasflow.kernels.batch_norm import EPSILON
from nasflow.network.depth import shallow, shallow_sites
from nasflow.network.morphism import Site
from nasflow.network.network import Network
from nasflow.network.rewrite import Change, transfer
from nasflow.network.skips import disconnect


def shallow_stages_sites(g: Architecture) -> Iterator[Site]:
    """List (convolutions that go,), if there is a stage that can spare one."""
    if count := len(_spare(g)):
        yield (count,)


def shallow_stages(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Remove one convolution of every stage that has more than one: the inverse of `deepen_stages`.

    A convolution can go if `shallow` can remove it. Of several, the last one goes, since
    `deepen_stages` puts new ones at the end of a stage. The weights do not decide it, so that the
    records of a round lead to the same architecture. What read the output of the convolution reads
    its input, and a skip past it goes with it. The function changes, unless all of them are
    identities.
    """
    g = network.architecture
    for convs in _spare(g):
        network = _without(network, convs[-1])
    return network


def _spare(g: Architecture) -> list[list[int]]:
    """List for each stage of more than one convolution those that `shallow` can remove."""
    removable = {conv for (conv,) in shallow_sites(g)}
    found = [[c.id for c in stage if c.id in removable] for stage in g.stages if len(stage) > 1]
    return [convs for convs in found if convs]


def _past(g: Architecture, conv: int) -> list[int]:
    """List the adds that mix the output of a convolution with its input."""
    pair = (conv, g[conv].inputs[0])
    return [n.id for n in g.nodes if n.op == "add" and n.inputs == pair]


def _without(network: Network, conv: int) -> Network:
    """Remove a convolution, and the adds that would then read one map twice."""
    for join in _past(network.architecture, conv):
        network = disconnect(network, (join,), np.random.default_rng(0))
    return shallow(network, (conv,), np.random.default_rng(0))


def remove_stage_sites(g: Architecture) -> Iterator[Site]:
    """List (node that the head reads then,), if the last stage can go.

    The layers with the smallest maps go. They must read one node of a larger map, behind which
    convolutions are left, and the head must read averages or maxima of maps.
    """
    if g.head.op == "flat_head" or not g.convs:
        return
    last = _last(g)
    sources = {i for n in g.nodes if n.id in last for i in n.inputs if i not in last}
    left = {conv.id for conv in g.convs} - last
    if len(sources) == 1 and left and any(conv.id in last for conv in g.convs):
        (source,) = sources
        if left & (g.ancestors(source) | {source}):
            yield (source,)


def remove_stage(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Remove all layers with the smallest maps: the inverse of `add_stage`.

    The head then reads the maps before them. Its new weights are the old ones times the product of
    the linear maps of the layers that went: each convolution with BatchNorm as if its input were
    constant, without its activation; a skip as it is mixed. So layers that are identities go
    without any change, and for others the head begins with directions that were learned. The
    velocities pass through the same map.
    """
    g, (source,) = network.architecture, site
    last = _last(g)
    nodes = tuple(n for n in g.nodes if n.id not in last)
    nodes = (*nodes[:-1], replace(g.head, inputs=(source,)))
    through = _through(network, source, last)

    def read(weight: Tensor) -> Tensor:
        return weight @ through

    child = Architecture(nodes, g.size)
    return transfer(network, child, {f"{g.head.id}.weight": Change(linear=read)})


def _last(g: Architecture) -> frozenset[int]:
    """Collect the nodes before the head whose maps have the size of the map that it reads."""
    side = g.shapes[g.head.inputs[0]][1:]
    inner = g.nodes[1:-1]
    return frozenset(n.id for n in inner if g.shapes[n.id][1:] == side)


def _through(network: Network, source: int, last: frozenset[int]) -> Tensor:
    """Multiply the linear maps from the channels of a node to the channels that the head reads."""
    g, x = network.architecture, network.x
    like = next(iter(x.values()))
    maps = {source: torch.eye(g.shapes[source][0], dtype=like.dtype, device=like.device)}
    for node in g.nodes:
        if node.id in last:
            maps[node.id] = _mapped(network, node, [maps[i] for i in node.inputs])
    return maps[g.head.inputs[0]]


def _mapped(network: Network, node: Node, inputs: list[Tensor]) -> Tensor:
    """Return the linear map from the source to a node, (channels, channels of the source)."""
    g, x, name = network.architecture, network.x, str(node.id)
    if node.op == "conv":
        slope = x[f"{name}.scale"] / (network.buffers[f"{name}.variance"] + EPSILON).sqrt()
        return slope[:, None] * (x[f"{name}.weight"].sum((2, 3)) @ inputs[0])
    if node.op == "add":
        mix = x[f"{name}.mix"][:, None]
        return mix * inputs[0] + (1.0 - mix) * inputs[1]
    if node.op == "concat":
        return torch.cat(inputs)
    if node.op == "pad":
        new = inputs[0].new_zeros(node.width - len(inputs[0]), inputs[0].shape[1])
        return torch.cat((inputs[0], new))
    if node.op == "mean_pool" and g.head.op == "head":  # zeros stand at the border of an odd side
        before, after = (math.prod(g.shapes[i][1:]) for i in (node.inputs[0], node.id))
        return inputs[0] * (before / (4.0 * after))
    return inputs[0]
