"""G_r: children of one network by single morphisms, pairwise different (paper 2.3, 4.3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasflow.architecture.architecture import Architecture
from nasflow.config.experiment import Search, parse, plain
from nasflow.network.morphisms import MORPHISMS, Site
from nasflow.network.network import Network
from nasflow.particles import flow
from nasflow.particles.flow import Matrix

PATIENCE = 200


class Child(NamedTuple):
    """A network with the morphisms that made it, in their order."""

    network: Network
    morphisms: tuple[str, ...]
    sites: tuple[Site, ...]


def sites(g: Architecture) -> dict[str, list[Site]]:
    """Where each morphism may apply to g, by name; names without a site are left out."""
    found = {name: sorted(morphism.sites(g)) for name, morphism in MORPHISMS.items()}
    return {name: places for name, places in found.items() if places}


def morph(network: Network, name: str, site: Site | None = None, *, seed: int = 0) -> Network:
    """The child that a morphism makes at a site (None: one drawn); the network stays as it is.

    ValueError where there is no such morphism or site, or the child would be no legal graph."""
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
    **constraints: Any,
) -> list[Child]:
    """Up to `count` different children, as a round draws them: `morphisms` weighs the kinds (None:
    the default weights), the constraints are keys of `search.constraints`."""
    search = plain(parse(Search, {"constraints": constraints, "morphisms": morphisms or {}}))
    return sample(
        network,
        count,
        n_morphisms=n_morphisms,
        morphisms=search["morphisms"],
        constraints=search["constraints"],
        rng=np.random.default_rng(seed),
    )


def edges(children: Sequence[Child], search: Mapping[str, Any]) -> Matrix:
    """K of g_r and its children, (m, m): an edge to a child weighs the product of
    `edge_weights` over its morphisms; the graph `star` has no edges between children."""
    weights = search["edge_weights"]
    spokes = [math.prod(weights[name] for name in child.morphisms) for child in children]
    return flow.graph(spokes, weights["siblings"] if search["graph"] == "complete" else 0.0)


def legal(g: Architecture, constraints: Mapping[str, Any]) -> bool:
    """Whether g keeps the bounds of config.Constraints (None: no bound)."""
    last = [g[s] for s in g.segments[g.head.inputs[0]] if g[s].op == "conv"]
    bounds = [
        (len(g.convs), "max_conv_layers"),
        (max(c.width for c in g.convs), "max_filters"),
        (max(c.kernel for c in g.convs), "max_kernel"),
        (max(connections(g, n.id) for n in g.nodes), "max_inputs"),
        (sum(n.op == "pool" for n in g.nodes), "max_pools"),
        (max((c.width for c in last), default=0), "max_last_filters"),
        (max((connections(g, c.id) for c in last), default=0), "max_last_inputs"),
        (g.parameters, "max_parameters"),
        (g.flops, "max_flops"),
    ]
    within = all(constraints[k] is None or value <= constraints[k] for value, k in bounds)
    return within and min(c.width for c in g.convs) >= constraints["min_filters"]


def connections(g: Architecture, node: int) -> int:
    """Layers whose outputs meet in the input of a node, through adds and concatenations."""
    return sum(connections(g, i) if g[i].op in ("add", "concat") else 1 for i in g[node].inputs)


def sample(
    parent: Network,
    n_neigh: int,
    *,
    n_morphisms: int = 1,
    morphisms: Mapping[str, float],
    constraints: Mapping[str, Any],
    rng: np.random.Generator,
    fits: Callable[[Architecture], bool] = lambda g: True,
) -> list[Child]:
    """Up to n_neigh children, different from one another and from the parent by fingerprint.

    A child is made by n_morphisms in a row; every network on the way keeps the constraints and
    `fits`. The
    kind is drawn by its weight among the kinds that have sites left, then a site uniformly. With
    one morphism sites are drawn without replacement, so that fewer children than n_neigh come back
    only where no site is left; with several, after PATIENCE draws in vain."""
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
    constraints: Mapping[str, Any],
    rng: np.random.Generator,
    fits: Callable[[Architecture], bool],
) -> Iterator[Child | None]:
    """Children by one morphism each until no site is left; None for what must not be."""
    g = parent.architecture
    sites = {name: sorted(MORPHISMS[name].sites(g)) for name, w in morphisms.items() if w > 0}
    while names := [name for name, left in sites.items() if left]:
        weights = np.array([morphisms[name] for name in names])
        name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        site = sites[name].pop(int(rng.integers(len(sites[name]))))
        try:
            network = MORPHISMS[name].apply(parent, site, rng)
        except ValueError:  # a site whose child would not be a legal graph
            yield None
            continue
        kept = legal(network.architecture, constraints) and fits(network.architecture)
        yield Child(network, (name,), (site,)) if kept else None


def _several(
    parent: Network,
    n_morphisms: int,
    morphisms: Mapping[str, float],
    constraints: Mapping[str, Any],
    rng: np.random.Generator,
    fits: Callable[[Architecture], bool],
) -> Iterator[Child | None]:
    """Children by n_morphisms each, without end; None where a walk got stuck."""
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
