"""The children of one network by morphisms, all different from one another (paper 2.3, 4.3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import POOLS
from nasflow.config.kinds import Graph
from nasflow.config.reading import parse
from nasflow.config.search import COMPOUND_WEIGHTS, Constraints, Search
from nasflow.network.morphisms import MORPHISMS, Site
from nasflow.network.network import Network
from nasflow.particles import flow
from nasflow.particles.flow import Matrix
from nasflow.search.bounds import keeps, prunes

PATIENCE = 200  # draws in a row without a new child after which the drawing ends


class Child(NamedTuple):
    """A network and how it was made.

    Attributes:
        network: the child.
        morphisms: the names of the morphisms that made it, in their order.
        sites: where each of them was applied.
    """

    network: Network
    morphisms: tuple[str, ...]
    sites: tuple[Site, ...]


def sites(g: Architecture) -> dict[str, list[Site]]:
    """List where each morphism can be applied to g, by name; names without a site are left out."""
    found = {name: sorted(morphism.sites(g)) for name, morphism in MORPHISMS.items()}
    return {name: places for name, places in found.items() if places}


def morph(network: Network, name: str, site: Site | None = None, *, seed: int = 0) -> Network:
    """Apply a morphism to a network, which stays as it is.

    Args:
        network: the parent.
        name: the name of the morphism, such as `deepen`.
        site: where to apply it, one of `sites`; None to draw one.
        seed: the seed of the random numbers of the draw and of new weights.

    Returns:
        The child.

    Raises:
        ValueError: if there is no such morphism or site, or the child would be no legal graph.
    """
    if name not in MORPHISMS:
        raise ValueError(f"morphism: {name!r}; expected one of {', '.join(MORPHISMS)}")
    places = sorted(MORPHISMS[name].sites(network.architecture))
    if not places or site not in (None, *places):
        known = ", ".join(map(str, places)) or "none"
        raise ValueError(f"morphism: {name} at {site}; its sites in this network: {known}")
    rng = np.random.default_rng(seed)
    place = places[int(rng.integers(len(places)))] if site is None else site
    return MORPHISMS[name].apply(network, place, rng)


def draw_children(
    network: Network,
    count: int,
    *,
    seed: int = 0,
    n_morphisms: int = 1,
    morphisms: Mapping[str, float] | None = None,
    moves: str = "single",
    **constraints: Any,
) -> list[Child]:
    """Draw different children of a network, as a round does.

    Args:
        network: the parent.
        count: how many children; fewer come back where no more are possible.
        seed: the seed of the random numbers.
        n_morphisms: morphisms that make a child, one after the other.
        morphisms: the weight of each kind when it is drawn; names left out have the default weight.
        moves: `single` draws among the morphisms of one layer, `compound` among those of a network
            as a whole.
        constraints: keys of `search.constraints`, such as max_parameters.

    Returns:
        The children, in the order in which they were drawn.

    Raises:
        ValueError: if a key or a value is wrong.
    """
    keys = {"constraints": constraints, "morphisms": morphisms or {}, "moves": moves}
    search = parse(Search, keys)
    if search.constraints.max_latency is not None:
        raise ValueError("max_latency: expected None; only a search reads a table of latencies")
    return sample(
        network,
        count,
        n_morphisms=n_morphisms,
        morphisms=search.drawn,
        constraints=search.constraints,
        rng=np.random.default_rng(seed),
    )


def edges(children: Sequence[Child], search: Search) -> Matrix:
    """Return K, the weights of the edges between the centre and its children, (m, m).

    The edge from the centre to a child weighs the product of `edge_weights` over the morphisms of
    the child, and 1 for a network of a portfolio. The graph `star` has no edges between children.

    Args:
        children: nodes 1 .. m - 1.
        search: the section of the round.
    """
    weights = search.edge_weights
    spokes = [math.prod(weights.get(name, 1.0) for name in child.morphisms) for child in children]
    return flow.graph(spokes, weights["siblings"] if search.graph == Graph.COMPLETE else 0.0)


def legal(g: Architecture, constraints: Constraints, above: Architecture | None = None) -> bool:
    """Tell whether an architecture keeps all bounds; a bound that is None always holds.

    Args:
        g: the architecture.
        constraints: the bounds.
        above: the parent, where it may be above a bound of the board (`bounds.keeps`).
    """
    last = [g[s] for s in g.segments[g.head.inputs[0]] if g[s].op == "conv"]
    meeting = connections(g)
    bounds = [
        (len(g.convs), constraints.max_conv_layers),
        (max(c.width for c in g.convs), constraints.max_filters),
        (max(c.kernel for c in g.convs), constraints.max_kernel),
        (max(meeting.values()), constraints.max_inputs),
        (sum(n.op in POOLS for n in g.nodes), constraints.max_pools),
        (max((c.width for c in last), default=0), constraints.max_last_filters),
        (max((meeting[c.id] for c in last), default=0), constraints.max_last_inputs),
        (g.parameters, constraints.max_parameters),
        (g.flops, constraints.max_flops),
    ]
    within = all(bound is None or value <= bound for value, bound in bounds)
    within = within and min(c.width for c in g.convs) >= constraints.min_filters
    return within and keeps(g, constraints, above)


def connections(g: Architecture) -> dict[int, int]:
    """Count for each node the layers whose outputs meet in its input, by adds and concatenations.

    A layer counts once for each path through joins on which its output arrives.
    """
    found: dict[int, int] = {}
    for node in g.nodes:
        joins = (g[i].op in ("add", "concat") for i in node.inputs)
        found[node.id] = sum(
            found[i] if join else 1 for i, join in zip(node.inputs, joins, strict=True)
        )
    return found


def sample(
    parent: Network,
    n_neigh: int,
    *,
    n_morphisms: int = 1,
    morphisms: Mapping[str, float],
    constraints: Constraints,
    rng: np.random.Generator,
    fits: Callable[[Architecture], bool] = lambda g: True,
) -> list[Child]:
    """Draw children that differ from one another and from the parent by their fingerprints.

    A child is made by n_morphisms morphisms, one after the other; every network on the way keeps
    the constraints and `fits`. Where all morphisms shrink a network, one that is above a bound of
    the board has children that take less of it (`bounds.keeps`). The kind of a morphism is drawn by
    its weight among the kinds that have sites left, and then a site is drawn uniformly. With one
    morphism, sites are drawn without replacement, so that fewer children than n_neigh come back
    only where no site is left. Compound morphisms have few sites; each of them gives one child
    before any of them gives a second one. With several morphisms the drawing also ends after
    PATIENCE draws in vain.

    Args:
        parent: the network that the morphisms are applied to.
        n_neigh: how many children to draw.
        n_morphisms: morphisms that make a child.
        morphisms: the weight of each kind; 0 leaves it out.
        constraints: what a child must keep.
        rng: draws kinds, sites and new weights.
        fits: another condition that every network must meet, such as a bound on memory.

    Returns:
        The children, in the order in which they were drawn.
    """
    seen = {parent.architecture.fingerprint}
    children: list[Child] = []
    if n_morphisms == 1:
        draws = _single(parent, morphisms, constraints, rng, fits)
    else:
        draws = _several(parent, n_morphisms, morphisms, constraints, rng, fits)
    failures = 0
    for child in draws:
        failures += 1
        if child is not None and child.network.architecture.fingerprint not in seen:
            seen.add(child.network.architecture.fingerprint)
            children.append(child)
            failures = 0
        if len(children) == n_neigh or failures == PATIENCE:
            break
    return children


def _single(
    parent: Network,
    morphisms: Mapping[str, float],
    constraints: Constraints,
    rng: np.random.Generator,
    fits: Callable[[Architecture], bool],
) -> Iterator[Child | None]:
    """Yield children by one morphism each until no site is left; None for a forbidden one."""
    g = parent.architecture
    sites = {name: sorted(MORPHISMS[name].sites(g)) for name, w in morphisms.items() if w > 0}
    done: set[str] = set()  # compound kinds that have given a child
    above = g if prunes(morphisms) else None
    while names := [name for name, left in sites.items() if left]:
        names = [name for name in names if name not in done] or names
        weights = np.array([morphisms[name] for name in names])
        name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        site = sites[name].pop(int(rng.integers(len(sites[name]))))
        try:
            network = MORPHISMS[name].apply(parent, site, rng)
        except ValueError:  # the child would not be a legal graph
            yield None
            continue
        child = network.architecture
        kept = legal(child, constraints, above) and fits(child)
        if kept and name in COMPOUND_WEIGHTS:
            done.add(name)
        yield Child(network, (name,), (site,)) if kept else None


def _several(
    parent: Network,
    n_morphisms: int,
    morphisms: Mapping[str, float],
    constraints: Constraints,
    rng: np.random.Generator,
    fits: Callable[[Architecture], bool],
) -> Iterator[Child | None]:
    """Yield children by n_morphisms each, without end; None where no next morphism was possible."""
    while True:
        child: Child | None = Child(parent, (), ())
        for _ in range(n_morphisms):
            assert child is not None
            steps = _single(child.network, morphisms, constraints, rng, fits)
            step = next((step for step in steps if step is not None), None)
            if step is None:
                child = None
                break
            child = Child(step.network, child.morphisms + step.morphisms, child.sites + step.sites)
        yield child
