"""Morphisms that change the number of filters: `widen` (type II) and `narrow`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from nasflow.architecture.architecture import Architecture
from nasflow.network.channels import resize
from nasflow.network.morphism import Site
from nasflow.network.network import Network


def widen_sites(g: Architecture) -> Iterator[Site]:
    """List (convolution, factor): one convolution for each tied group, with factor 2 and 4."""
    return ((conv.id, factor) for conv in g.convs if g.resizable(conv.id) for factor in (2, 4))


def widen(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Multiply the filters of a convolution, and of all that adds tie to it, by two or four.

    The old filters stay, and the new ones are random. In every layer that reads the new channels
    the weights of these channels are zero. So no old channel depends on a new one, and since
    BatchNorm treats each channel by itself, the function is the same in both modes.

    At the first step only the weights that read the new channels have a gradient, because the
    gradient of the new filters is a product with those zeros. From the second step on the new
    filters have one too. Copies of old filters would keep the function as well, but they would
    stay copies for ever.
    """
    conv, factor = site
    filters = network.architecture[conv].width
    keep = (*range(filters), *[-1] * (filters * (factor - 1)))
    return resize(network, conv, keep, rng)


def narrow_sites(g: Architecture) -> Iterator[Site]:
    """List (convolution, 2): one convolution for each tied group with an even number of filters."""
    return ((c.id, 2) for c in g.convs if g.resizable(c.id) and c.width % 2 == 0)


def narrow(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Halve the filters of a convolution, and of all that adds tie to it; the function changes.

    The strongest filters stay, in their order. The strength of a filter is |scale| times the norm
    of its weights, summed over the tied convolutions.
    """
    g, (conv, factor) = network.architecture, site
    strength = sum(
        network.x[f"{c}.weight"].flatten(1).norm(dim=1) * network.x[f"{c}.scale"].abs()
        for c in sorted(g.tied(conv))
    )
    assert isinstance(strength, Tensor)
    best = strength.argsort(descending=True, stable=True)[: g[conv].width // factor]
    return resize(network, conv, tuple(sorted(best.tolist())), rng)
