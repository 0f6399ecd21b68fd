"""Morphisms of the size of kernels: `enlarge_kernel`, `shrink_kernel`, and those of all layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node
from nasflow.network.morphism import Site
from nasflow.network.network import Network
from nasflow.network.rewrite import Change, transfer


def reaches(g: Architecture, conv: Node, kernel: int) -> bool:
    """Return True if the outer ring of a kernel meets the map of the convolution at all.

    On a smaller map the ring always lies on the padding, which is zero, so that the weights of the
    ring would never have a gradient.
    """
    return kernel // 2 < min(g.shapes[conv.id][1:])


def enlarge_sites(g: Architecture) -> Iterator[Site]:
    """List (convolution, new kernel): each kernel below 7 may grow by 2, if `reaches` allows it."""
    for conv in g.convs:
        if conv.kernel < 7 and reaches(g, conv, conv.kernel + 2):
            yield conv.id, conv.kernel + 2


def enlarge_all_sites(g: Architecture) -> Iterator[Site]:
    """List (new kernel,): 5 where there are kernels of 3 that may grow, 7 where there are of 5."""
    return ((kernel,) for kernel in (5, 7) if _growing(g, kernel))


def _growing(g: Architecture, kernel: int) -> list[int]:
    """List the convolutions whose kernels are smaller by 2 and may grow."""
    smaller = (conv for conv in g.convs if conv.kernel == kernel - 2)
    return [conv.id for conv in smaller if reaches(g, conv, kernel)]


def enlarge_all(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Make all 3 x 3 kernels 5 x 5, or all 5 x 5 kernels 7 x 7, where `reaches` allows it.

    One `enlarge_kernel` follows another, so that the function is the same in both modes and the
    new weights have a gradient from the first step on.
    """
    (kernel,) = site
    for conv in _growing(network.architecture, kernel):
        network = change_kernel(network, (conv, kernel), rng)
    return network


def shrink_all_sites(g: Architecture) -> Iterator[Site]:
    """List (new kernel,): 5 where there are kernels of 7, and 3 where there are kernels of 5."""
    return ((kernel,) for kernel in (3, 5) if any(c.kernel == kernel + 2 for c in g.convs))


def shrink_all(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Make all 5 x 5 kernels 3 x 3, or all 7 x 7 kernels 5 x 5: the inverse of `enlarge_all`.

    The middle of each kernel stays. The function changes, unless the outer rings are zero.
    """
    (kernel,) = site
    for conv in network.architecture.convs:
        if conv.kernel == kernel + 2:
            network = change_kernel(network, (conv.id, kernel), rng)
    return network


def shrink_sites(g: Architecture) -> Iterator[Site]:
    """List (convolution, new kernel): each kernel above 3 may shrink by 2."""
    return ((conv.id, conv.kernel - 2) for conv in g.convs if conv.kernel > 3)


def change_kernel(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Give a convolution a larger or a smaller kernel with the same middle.

    A larger kernel gets a ring of zeros around the old weights. Padding keeps the size of the map,
    and the zeros add nothing to any sum, so that the function stays the same in both modes. The new
    weights have a gradient from the first step on. A smaller kernel loses its outer ring, which
    changes the function unless the ring is zero.
    """
    g, (conv, size) = network.architecture, site
    nodes = tuple(replace(n, kernel=size) if n.id == conv else n for n in g.nodes)
    old, margin = g[conv].kernel, (size - g[conv].kernel) // 2
    index = tuple(i if 0 <= i < old else -1 for i in range(-margin, old + margin))
    child = Architecture(nodes, g.size)
    return transfer(network, child, {f"{conv}.weight": Change({2: index, 3: index})})
