"""Two encodings of the search space for samplers that know vectors of choices, not graphs.

Both describe morphisms of nasflow that are applied one after another, from g_0 on. A morphism that
has no legal site is skipped. So whatever the numbers are, they stand for an architecture that a
search of nasflow could reach from g_0, and every architecture on the way keeps the constraints.
Weights mean nothing here, since trials start from random ones.

* `moves`: for each slot a kind of morphism (or none), and a number between 0 and 1 that picks one
  of its sites. Every chain of that many morphisms that a search can take has an encoding.
* `shape`: for each part between pools a width, a number of convolutions, a kernel and a skip. This
  is a small, regular part of the same space, in which the meaning of a number does not depend on
  the other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from nasflow.architecture.architecture import Architecture
from nasflow.config.search import Constraints, Search
from nasflow.network.morphisms import MORPHISMS, Site
from nasflow.network.network import Network
from nasflow.randomness import generator
from nasflow.search.neighbourhood import legal

NOTHING = "none"
FACTORS = {"half": ("narrow", 2), "double": ("widen", 2), "quadruple": ("widen", 4)}
KERNELS = (3, 5, 7)
SKIPS = (NOTHING, "add", "concat")
MOST_ADDED = 3  # convolutions added to a part
NAMES = ("width", "added", "kernel", "skip")
Sites = Callable[[Sequence[int]], Sequence[Site]]  # the sites, given the convolutions of a part


class Choice(NamedTuple):
    """One entry of the vector: a category, or a float in [0, 1) if there are no options.

    Attributes:
        name: the name of the entry.
        options: the categories.
    """

    name: str
    options: tuple[str | int, ...] = ()


class Space(NamedTuple):
    """A search space.

    Attributes:
        start: g_0, with weights that mean nothing.
        kinds: the kinds of morphisms that are allowed.
        constraints: the bounds that every architecture keeps.
    """

    start: Network
    kinds: tuple[str, ...]
    constraints: Constraints


def space(start: Network, search: Search) -> Space:
    """Make the space that the section `search` of an experiment describes."""
    kinds = tuple(name for name, weight in search.morphisms.items() if weight > 0)
    return Space(start, kinds, search.constraints)


def choices(within: Space, encoding: str, slots: int) -> list[Choice]:
    """List what a sampler chooses; the names are always the same.

    Args:
        within: the space.
        encoding: `moves` or `shape`.
        slots: the number of morphisms in the encoding `moves`.
    """
    if encoding == "moves":
        kinds = (NOTHING, *within.kinds)
        return [c for i in range(slots) for c in (Choice(f"kind_{i}", kinds), Choice(f"place_{i}"))]
    options = (("same", *FACTORS), tuple(range(MOST_ADDED + 1)), KERNELS, SKIPS)
    return [
        Choice(f"{name}_{part}", own)
        for part in range(len(parts(within.start.architecture)))
        for name, own in zip(NAMES, options, strict=True)
    ]


def decode(within: Space, encoding: str, chosen: Mapping[str, Any]) -> Architecture:
    """Build the architecture that a vector stands for.

    Args:
        within: the space.
        encoding: `moves` or `shape`.
        chosen: for each name of `choices` its value.
    """
    if encoding == "shape":
        return _shaped(within, chosen)
    network = within.start
    for slot in range(len(chosen) // 2):
        if (kind := chosen[f"kind_{slot}"]) != NOTHING:
            sites = sorted(MORPHISMS[kind].sites(network.architecture))
            first = int(chosen[f"place_{slot}"] * len(sites))
            network = _first(within, network, kind, (*sites[first:], *sites[:first]))
    return network.architecture


def parts(g: Architecture) -> list[list[int]]:
    """List the parts of a chain: the ids of the convolutions between two pools, in order."""
    result: list[list[int]] = [[]]
    for node in g.nodes:
        if node.op == "conv":
            result[-1].append(node.id)
        elif node.op == "pool":
            result.append([])
    return [part for part in result if part]


def _shaped(within: Space, chosen: Mapping[str, Any]) -> Architecture:
    network = within.start
    for part, convs in enumerate(parts(network.architecture)):
        for kind, sites in _plan(len(convs), *(chosen[f"{name}_{part}"] for name in NAMES)):
            now = parts(network.architecture)[part]
            network = _first(within, network, kind, sites(now))
    return network.architecture


def _plan(
    count: int, width: str, added: int, kernel: int, skip: str
) -> Iterator[tuple[str, Sites]]:
    """The morphisms of a part with `count` convolutions, in order.

    The width comes first, so that new convolutions have it; kernels come before skips.
    """
    kind, factor = FACTORS.get(width, (NOTHING, 0))
    for place in range(count if factor else 0):
        yield kind, partial(_at, place, factor)
    for _ in range(added):
        yield "deepen", lambda convs: [(convs[-1], 3)]
    for place in range(count + added):
        for size in (size for size in KERNELS if 3 < size <= kernel):
            yield "enlarge_kernel", partial(_at, place, size)
    if skip != NOTHING:
        yield f"connect_{skip}", lambda convs: [(convs[0], convs[-1])]


def _at(place: int, option: int, convs: Sequence[int]) -> list[Site]:
    return [(conv, option) for conv in convs[place : place + 1]]


def _first(within: Space, network: Network, kind: str, sites: Sequence[Site]) -> Network:
    """The child at the first site that gives a legal one, or the network itself if none does."""
    allowed = set(MORPHISMS[kind].sites(network.architecture)) if kind in within.kinds else set()
    for site in sites:
        if site in allowed:
            try:
                child = MORPHISMS[kind].apply(network, site, generator("peer space"))
            except ValueError:  # the child is no legal graph
                continue
            if legal(child.architecture, within.constraints):
                return child
    return network
