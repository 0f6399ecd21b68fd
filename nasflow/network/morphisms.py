"""Single network morphisms: a table of pure functions (g -> sites) and (network, site -> child).

Type numbers are Elsken et al. 2017 (arXiv 1711.04528). Positive morphisms preserve the function:
exactly in eval mode, and in train mode too, except `deepen`, which does so nearly. Negative ones
do not, and choose what hurts least. A site is a tuple of numbers: the nodes, then the option.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nasflow.architecture.architecture import Architecture, insert, rewire
from nasflow.architecture.node import Node
from nasflow.kernels.batch_norm import EPSILON
from nasflow.network.channels import resize, without
from nasflow.network.network import Network
from nasflow.network.rewrite import Change, transfer

Site = tuple[int, ...]


@dataclass(frozen=True)
class Morphism:
    """`sites` lists where it may apply (`apply` raises ValueError where a child is illegal);
    `apply` gives the child."""

    name: str
    preserves: bool
    sites: Callable[[Architecture], Iterator[Site]]
    apply: Callable[[Network, Site, np.random.Generator], Network]


# --- deepen (type I, III) and shallow ----------------------------------------------------------


def _deepen_sites(g: Architecture) -> Iterator[Site]:
    return ((conv.id, kernel) for conv in g.convs for kernel in (3, 5) if _reaches(g, conv, kernel))


def _reaches(g: Architecture, conv: Node, kernel: int) -> bool:
    """Whether the kernel's outer ring meets the map at all: beyond it lies padding, and weights
    there would never have a gradient."""
    return kernel // 2 < min(g.shapes[conv.id][1:])


def _deepen(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Insert a Dirac convolution of the same width behind a convolution.

    Its BatchNorm undoes itself: (c y - c mean) / sqrt(c^2 variance + epsilon) is scaled back and
    shifted, exact in eval mode for any moments. They are those of the rectified Gaussian that the
    preceding BatchNorm emits, so that train mode changes little as well. The input is an output of
    a ReLU, so the new ReLU changes nothing. Every new tensor gets gradient at once.

    The Dirac's height c is the mean norm of the preceding filters. BatchNorm makes filters
    scale-free, so that a step turns them by about tau^2 / c^2: with c = 1, where trained filters
    have a norm of 2, the new layer learns four times as fast as its neighbours and its child falls
    0.09 nats behind in 50 steps; with c = 2 0.03, and it leads after 300 (CIFAR-10, width 24)."""
    g, (conv, kernel) = network.architecture, site
    width, new = g[conv].width, g.next_id
    node = Node(new, "conv", (conv,), width, kernel)
    after = [n.id for n in g.nodes][[n.id for n in g.nodes].index(conv) + 1]
    nodes = rewire(insert(g, node, after), conv, new, keep=frozenset({new}))
    mean, variance = rectified_moments(network.x[f"{conv}.scale"], network.x[f"{conv}.shift"])
    height = network.x[f"{conv}.weight"].flatten(1).norm(dim=1).mean().clamp_min(1.0)
    dirac = torch.zeros(width, width, kernel, kernel, dtype=mean.dtype, device=mean.device)
    middle = (kernel - 1) // 2
    dirac[range(width), range(width), middle, middle] = height
    changes = {
        f"{new}.weight": Change(constant=dirac),
        f"{new}.scale": Change(constant=(height**2 * variance + EPSILON).sqrt() / height),
        f"{new}.shift": Change(constant=mean),
        f"{new}.mean": Change(constant=height * mean),
        f"{new}.variance": Change(constant=height**2 * variance),
    }
    return transfer(network, Architecture(nodes, g.size), changes)


def rectified_moments(scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of max(0, shift + scale n), n standard normal, per channel."""
    sigma = scale.abs().clamp_min(1e-12).double()
    mu = shift.double()
    z = mu / sigma
    density = torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    below = 0.5 * torch.erfc(-z / math.sqrt(2))
    mean = mu * below + sigma * density
    square = (mu * mu + sigma * sigma) * below + mu * sigma * density
    variance = (square - mean * mean).clamp_min(0.0)
    return mean.to(scale.dtype), variance.to(scale.dtype)


def _shallow_sites(g: Architecture) -> Iterator[Site]:
    for conv in g.convs:
        if g.shapes[conv.inputs[0]][0] == conv.width and g[conv.inputs[0]].op != "image":
            yield (conv.id,)


def _shallow(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Remove a convolution whose input is as wide as its output; its readers read its input."""
    g, (conv,) = network.architecture, site
    nodes = tuple(n for n in rewire(g.nodes, conv, g[conv].inputs[0]) if n.id != conv)
    return transfer(network, Architecture(nodes, g.size), {})


# --- widen (type II) and narrow ------------------------------------------------------------------


def _widen_sites(g: Architecture) -> Iterator[Site]:
    return ((conv.id, factor) for conv in g.convs if g.resizable(conv.id) for factor in (2, 4))


def _widen(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Twice or four times the filters (of every convolution that adds tie to this one).

    New filters are random, their outgoing weights zero: the function is unchanged in both modes.
    At the first step only the outgoing weights have gradient (the filters' is a product with
    those zeros); from the second step on the filters have it too. Copies of old filters would stay
    copies for ever."""
    conv, factor = site
    width = network.architecture[conv].width
    keep = (*range(width), *[-1] * (width * (factor - 1)))
    return resize(network, conv, keep, rng)


def _narrow_sites(g: Architecture) -> Iterator[Site]:
    return ((c.id, 2) for c in g.convs if g.resizable(c.id) and c.width % 2 == 0)


def _narrow(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Half the filters: those of the largest |scale| * norm of weights stay, in their order."""
    g, (conv, factor) = network.architecture, site
    strength = sum(
        network.x[f"{c}.weight"].flatten(1).norm(dim=1) * network.x[f"{c}.scale"].abs()
        for c in sorted(g.tied(conv))
    )
    assert isinstance(strength, Tensor)
    best = strength.argsort(descending=True, stable=True)[: g[conv].width // factor]
    return resize(network, conv, tuple(sorted(best.tolist())), rng)


# --- connect (type II by concatenation, type IV by addition) and disconnect --------------------


def _connect_concat_sites(g: Architecture) -> Iterator[Site]:
    for conv in g.convs:
        source = conv.inputs[0]
        present = g[source].inputs if g[source].op == "concat" else (source,)
        for h in sorted(g.ancestors(conv.id)):
            if h not in present and h != source and g.shapes[h][1:] == g.shapes[source][1:]:
                if g[h].op != "concat":
                    yield (h, conv.id)


def _connect_concat(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """The output of h joins the input of a convolution; its new weights are zero.

    Same function in both modes, and the new weights have gradient at once."""
    g, (h, conv) = network.architecture, site
    source, new = g[conv].inputs[0], g.next_id
    nodes = insert(g, Node(new, "concat", (source, h)), conv)
    nodes = tuple(replace(n, inputs=(new,)) if n.id == conv else n for n in nodes)
    width = g.shapes[source][0]
    columns = (*range(width), *[-1] * g.shapes[h][0])
    child = Architecture(nodes, g.size)
    return transfer(network, child, {f"{conv}.weight": Change({1: columns})})


def _connect_add_sites(g: Architecture) -> Iterator[Site]:
    for f in g.nodes[1:-1]:
        if f.op != "conv":
            continue
        for h in sorted(g.ancestors(f.id)):
            if g.shapes[h] == g.shapes[f.id] and not _joined(g, f.id, h):
                yield (h, f.id)


def _joined(g: Architecture, f: int, h: int) -> bool:
    return any(n.op == "add" and set(n.inputs) == {f, h} for n in g.nodes)


def _connect_add(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Readers of f read mix * f + (1 - mix) * h with mix = 1, learned, one a channel.

    Elsken et al. have one mix a layer; one a channel is no dearer and contains theirs. Same
    function in both modes; the gradient of mix is <dL/dy, f - h>, not zero. (A zero Conv+BN+ReLU
    branch instead would have gradient exactly zero for ever.)"""
    g, (h, f) = network.architecture, site
    new = g.next_id
    after = [n.id for n in g.nodes][[n.id for n in g.nodes].index(f) + 1]
    nodes = insert(g, Node(new, "add", (f, h)), after)
    nodes = rewire(nodes, f, new, keep=frozenset({new}))
    child = Architecture(nodes, g.size)
    return transfer(network, child, {f"{new}.mix": Change(constant=1.0)})


def _disconnect_sites(g: Architecture) -> Iterator[Site]:
    return ((n.id,) for n in g.nodes if n.op in ("add", "concat"))


def _disconnect(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Remove a skip connection: readers of the join read its first input, the main path; after a
    concatenation the weights of the second input go."""
    g, (join,) = network.architecture, site
    first = g[join].inputs[0]
    nodes = tuple(n for n in rewire(g.nodes, join, first) if n.id != join)
    return transfer(network, Architecture(nodes, g.size), without(g, join))


# --- enlarge_kernel and shrink_kernel -------------------------------------------------------------


def _enlarge_sites(g: Architecture) -> Iterator[Site]:
    for conv in g.convs:
        if conv.kernel < 7 and _reaches(g, conv, conv.kernel + 2):
            yield conv.id, conv.kernel + 2


def _shrink_sites(g: Architecture) -> Iterator[Site]:
    return ((conv.id, conv.kernel - 2) for conv in g.convs if conv.kernel > 3)


def _kernel(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Larger: a ring of zeros, same function in both modes, gradient at once. Smaller: the ring
    is cut off."""
    g, (conv, size) = network.architecture, site
    nodes = tuple(replace(n, kernel=size) if n.id == conv else n for n in g.nodes)
    old, margin = g[conv].kernel, (size - g[conv].kernel) // 2
    index = tuple(i if 0 <= i < old else -1 for i in range(-margin, old + margin))
    child = Architecture(nodes, g.size)
    return transfer(network, child, {f"{conv}.weight": Change({2: index, 3: index})})


# --- add_pool and remove_pool -------------------------------------------------------------------


def _add_pool_sites(g: Architecture) -> Iterator[Site]:
    return ((n.id,) for n in g.nodes[1:-1] if min(g.shapes[n.id][1:]) >= 2)


def _add_pool(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """A 2x2 max pool behind a node: what follows costs a quarter and sees twice as far.

    The function changes, and the child's first losses show by how much: a pool that keeps it would
    have to be a branch beside the map, dearer instead of cheaper. Nothing is new, so nothing is
    dead. Refused where a join would then meet maps of different sizes."""
    g, (source,) = network.architecture, site
    new = g.next_id
    after = [n.id for n in g.nodes][[n.id for n in g.nodes].index(source) + 1]
    nodes = rewire(
        insert(g, Node(new, "pool", (source,)), after), source, new, keep=frozenset({new})
    )
    return _refit(network, Architecture(nodes, g.size))


def _remove_pool_sites(g: Architecture) -> Iterator[Site]:
    return ((node.id,) for node in g.nodes if node.op == "pool")


def _remove_pool(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """The maps behind a pool keep the size of those before it. The function changes."""
    g, (pool,) = network.architecture, site
    nodes = tuple(n for n in rewire(g.nodes, pool, g[pool].inputs[0]) if n.id != pool)
    return _refit(network, Architecture(nodes, g.size))


def _refit(network: Network, child: Architecture) -> Network:
    """The child with a flat head's weights carried over to its new map: cropped, or padded with
    zeros, around the centre (paper 4.3). A head behind the global average needs no such step."""
    old, head = network.architecture, child.head
    if head.op != "flat_head":
        return transfer(network, child, {})
    before, after = (g.shapes[g.head.inputs[0]][1:] for g in (old, child))
    axes = {}
    for axis, (was, now) in enumerate(zip(before, after, strict=True), 2):
        first = int((was - now) / 2)  # towards zero: padding undoes cropping
        axes[axis] = tuple(i if 0 <= i < was else -1 for i in range(first, first + now))
    return transfer(network, child, {f"{head.id}.weight": Change(axes)})


MORPHISMS = {
    m.name: m
    for m in (
        Morphism("deepen", True, _deepen_sites, _deepen),
        Morphism("widen", True, _widen_sites, _widen),
        Morphism("connect_concat", True, _connect_concat_sites, _connect_concat),
        Morphism("connect_add", True, _connect_add_sites, _connect_add),
        Morphism("enlarge_kernel", True, _enlarge_sites, _kernel),
        Morphism("add_pool", False, _add_pool_sites, _add_pool),
        Morphism("remove_pool", False, _remove_pool_sites, _remove_pool),
        Morphism("shallow", False, _shallow_sites, _shallow),
        Morphism("narrow", False, _narrow_sites, _narrow),
        Morphism("disconnect", False, _disconnect_sites, _disconnect),
        Morphism("shrink_kernel", False, _shrink_sites, _kernel),
    )
}
