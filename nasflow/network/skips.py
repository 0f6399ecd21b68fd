"""Morphisms of skip connections: `connect_concat`, `connect_add`, `skip_all` and `disconnect`.

A skip connection hands the output of an early node to a later one, past the nodes between them. It
ends in a join: a concatenation of channels (type II) or an addition (type IV).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from nasflow.architecture.architecture import Architecture, insert, rewire
from nasflow.architecture.node import Node
from nasflow.network.channels import without
from nasflow.network.morphism import Site
from nasflow.network.network import Network
from nasflow.network.rewrite import Change, transfer


def concat_sites(g: Architecture) -> Iterator[Site]:
    """List (h, convolution): h stands before the convolution, has a map of the same size as the
    input of the convolution, is not read by it yet, and is no concatenation itself."""
    for conv in g.convs:
        source = conv.inputs[0]
        present = g[source].inputs if g[source].op == "concat" else (source,)
        for h in sorted(g.ancestors(conv.id)):
            if h not in present and h != source and g.shapes[h][1:] == g.shapes[source][1:]:
                if g[h].op != "concat":
                    yield (h, conv.id)


def connect_concat(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Append the channels of a node h to the input of a convolution, with weights of zero.

    The convolution multiplies the new channels by zero, so that its output and the function stay
    the same in both modes. The new weights have a gradient from the first step on.
    """
    g, (h, conv) = network.architecture, site
    source, new = g[conv].inputs[0], g.next_id
    nodes = insert(g, Node(new, "concat", (source, h)), conv)
    nodes = tuple(replace(n, inputs=(new,)) if n.id == conv else n for n in nodes)
    channels = g.shapes[source][0]
    columns = (*range(channels), *[-1] * g.shapes[h][0])
    child = Architecture(nodes, g.size)
    return transfer(network, child, {f"{conv}.weight": Change({1: columns})})


def add_sites(g: Architecture) -> Iterator[Site]:
    """List (h, f): f is a convolution, h stands before it, has an output of the same shape, and is
    not added to f yet."""
    for f in g.nodes[1:-1]:
        if f.op != "conv":
            continue
        for h in sorted(g.ancestors(f.id)):
            if g.shapes[h] == g.shapes[f.id] and not _joined(g, f.id, h):
                yield (h, f.id)


def _joined(g: Architecture, f: int, h: int) -> bool:
    return any(n.op == "add" and set(n.inputs) == {f, h} for n in g.nodes)


def connect_add(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Replace the output of f by mix * f + (1 - mix) * h, where mix is learned and starts at 1.

    With mix = 1 the sum is f, so that the function stays the same in both modes. There is one mix
    for each channel. Elsken et al. have one mix for each layer; one per channel costs no more and
    contains theirs.

    The gradient of mix is <dL/dy, f - h>, which is not zero, so that the skip learns from the first
    step on. (A new Conv + BatchNorm + ReLU branch with weights of zero would keep the function as
    well, but its gradient would be exactly zero for ever.)
    """
    g, (h, f) = network.architecture, site
    new = g.next_id
    after = g.behind(f)
    nodes = insert(g, Node(new, "add", (f, h)), after)
    nodes = rewire(nodes, f, new, keep=frozenset({new}))
    child = Architecture(nodes, g.size)
    return transfer(network, child, {f"{new}.mix": Change(constant=1.0)})


def skip_all_sites(g: Architecture) -> Iterator[Site]:
    """List (number of new skips,), if there is any."""
    if pairs := _unskipped(g):
        yield (len(pairs),)


def skip_all(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Add a skip over every convolution that reads another one of the same shape.

    One `connect_add` follows another, for each pair (h, f) where f reads h and nothing is added to
    f yet. So the function is the same in both modes, and each mix has a gradient from the first
    step on, unless f is still the identity that `deepen` inserted.
    """
    for pair in _unskipped(network.architecture):
        network = connect_add(network, pair, rng)
    return network


def _unskipped(g: Architecture) -> list[Site]:
    """List the pairs (h, f) of `skip_all`, in topological order."""
    joined = {i for n in g.nodes if n.op == "add" for i in n.inputs[:1]}
    pairs = [(conv.inputs[0], conv.id) for conv in g.convs if conv.id not in joined]
    return [(h, f) for h, f in pairs if g[h].op == "conv" and g.shapes[h] == g.shapes[f]]


def disconnect_sites(g: Architecture) -> Iterator[Site]:
    """List the joins: all adds and concatenations."""
    return ((n.id,) for n in g.nodes if n.op in ("add", "concat"))


def disconnect(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Remove a skip connection: what read the join then reads the first input of the join.

    The first input is the main path. After a concatenation the weights that read the channels of
    the other inputs are dropped. The function changes, unless the skip had no influence yet.
    """
    g, (join,) = network.architecture, site
    first = g[join].inputs[0]
    nodes = tuple(n for n in rewire(g.nodes, join, first) if n.id != join)
    return transfer(network, Architecture(nodes, g.size), without(g, join))
