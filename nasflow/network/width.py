"""Morphisms that change the number of filters: `widen` (type II), `narrow`, and compound ones.

`widen_all`, `widen_late`, `narrow_all` and `narrow_late` change all convolutions of a network, or
those with the smallest maps.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from nasflow.architecture.architecture import Architecture
from nasflow.network.channels import resize
from nasflow.network.importance import importance
from nasflow.network.morphism import Site
from nasflow.network.network import Network

HALVES = (3, 4)  # the factors of `widen_all`, times two
QUARTERS = (2, 3)  # the parts that `narrow_all` keeps, times four
FEWEST = 4  # filters that `narrow_all` leaves at least


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
    return _grown(network, conv, network.architecture[conv].width * factor, rng)


def widen_all_sites(g: Architecture) -> Iterator[Site]:
    """List (factor in halves,): half as many filters more, and twice as many."""
    return ((halves,) for halves in HALVES if _groups(g))


def widen_all(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Multiply the filters of all convolutions that may be resized by 3/2 or by 2.

    A width that is a multiple of 8 stays one: it is rounded up. One `widen` follows another, from
    the image to the head, so that the function is the same in both modes. New filters read the new
    filters before them by random weights. Old filters and the head read them by zeros, which have
    a gradient at the first step; the new filters have one from the second step on.
    """
    return _all_grown(network, _groups(network.architecture), site[0], rng)


def widen_late_sites(g: Architecture) -> Iterator[Site]:
    """List (factor in halves,), where this differs from `widen_all`."""
    return ((halves,) for halves in HALVES if 0 < len(_late(g)) < len(_groups(g)))


def widen_late(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Widen the convolutions of the last two map sizes only, as `widen_all` does.

    A filter costs most on the large maps of the first convolutions. A convolution that an add ties
    to an earlier one is left as it is.
    """
    return _all_grown(network, _late(network.architecture), site[0], rng)


def _groups(g: Architecture) -> list[int]:
    """List one convolution of each group of convolutions that may be resized."""
    return [conv.id for conv in g.convs if g.resizable(conv.id)]


def _late(g: Architecture) -> list[int]:
    """List the groups of which all convolutions have one of the last two map sizes."""
    late = {conv.id for stage in g.stages[-2:] for conv in stage}
    return [conv for conv in _groups(g) if g.tied(conv) <= late]


def _all_grown(
    network: Network, convs: list[int], halves: int, rng: np.random.Generator
) -> Network:
    for conv in convs:
        width = network.architecture[conv].width
        wider = -(-width * halves // 2)
        wider = wider if width % 8 else -(-wider // 8) * 8
        network = _grown(network, conv, wider, rng)
    return network


def _grown(network: Network, conv: int, width: int, rng: np.random.Generator) -> Network:
    """Give a convolution, and its group, new filters behind the old ones, up to a width."""
    filters = network.architecture[conv].width
    return resize(network, conv, (*range(filters), *[-1] * (width - filters)), rng)


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


def narrow_all_sites(g: Architecture) -> Iterator[Site]:
    """List (part that is kept, in quarters; filters that are left at least).

    The least number is FEWEST, and, where that differs, the filters of the narrowest convolution:
    the wider ones are then narrowed down to it at most. So there is a site where no layer may have
    fewer filters than the narrowest has now (`search.constraints.min_filters`).
    """
    return _narrowing(g, _groups(g))


def narrow_all(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Keep 1/2 or 3/4 of the filters of all convolutions that may be resized; the function changes.

    The filters that matter most stay, in their order (`importance`). From the image to the head,
    one convolution follows another, so that the importance of a filter counts only the readers
    that are left. From a width that is a multiple of 8, the number is rounded up to a multiple of
    8, or else of 4, where that is smaller than the width, and not more than half as much again.
    """
    return _all_narrowed(network, _groups(network.architecture), site, rng)


def narrow_late_sites(g: Architecture) -> Iterator[Site]:
    """List the sites of `narrow_all`, where not all convolutions belong to the last two maps."""
    late = _late(g)
    return _narrowing(g, late if len(late) < len(_groups(g)) else [])


def narrow_late(network: Network, site: Site, rng: np.random.Generator) -> Network:
    """Narrow the convolutions of the last two map sizes only, as `narrow_all` does.

    They hold most of the parameters of a network whose stages become wider.
    """
    return _all_narrowed(network, _late(network.architecture), site, rng)


def _narrowing(g: Architecture, groups: list[int]) -> Iterator[Site]:
    """List the sites at which at least one of the convolutions loses filters."""
    narrowest = min((conv.width for conv in g.convs), default=FEWEST)
    for quarters in QUARTERS:
        for least in sorted({FEWEST, max(FEWEST, narrowest)}):
            if any(_narrower(g[conv].width, quarters, least) < g[conv].width for conv in groups):
                yield (quarters, least)


def _narrower(width: int, quarters: int, least: int) -> int:
    """Return how many filters of so many `narrow_all` keeps."""
    part = -(-width * quarters // 4)
    rounded = (-(-part // unit) * unit for unit in (8, 4) if width % 8 == 0 and part >= 2 * unit)
    part = next((count for count in rounded if count < width), part)
    return min(width, max(part, least))


def _all_narrowed(
    network: Network, convs: list[int], site: Site, rng: np.random.Generator
) -> Network:
    for conv in convs:
        width = network.architecture[conv].width
        count = _narrower(width, *site)
        if count < width:
            best = importance(network, conv).argsort(descending=True, stable=True)[:count]
            network = resize(network, conv, tuple(sorted(best.tolist())), rng)
    return network
