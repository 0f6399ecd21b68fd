"""G_r: children of one network by single morphisms, pairwise different (paper 2.3, 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from nasflow.architecture import Architecture
from nasflow.morphisms import MORPHISMS, Site
from nasflow.network import Network


class Child(NamedTuple):
    """A network with the morphism that made it."""

    network: Network
    morphism: str
    site: Site


def legal(g: Architecture, constraints: Mapping[str, Any]) -> bool:
    """Whether g keeps the bounds of config.Constraints (None: no bound)."""
    bounds = [
        (len(g.convs), "max_conv_layers"),
        (max(c.width for c in g.convs), "max_filters"),
        (max(c.kernel for c in g.convs), "max_kernel"),
        (max(connections(g, n.id) for n in g.nodes), "max_inputs"),
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
    morphisms: Mapping[str, float],
    constraints: Mapping[str, Any],
    rng: np.random.Generator,
) -> list[Child]:
    """Up to n_neigh children, different from one another and from the parent by fingerprint.

    The kind is drawn by its weight among the kinds that have sites left, then a site of it
    uniformly, without replacement; children that break a constraint are dropped. Fewer than
    n_neigh come back only where no site is left. ValueError when there is none at all."""
    g = parent.architecture
    sites = {
        name: sorted(MORPHISMS[name].sites(g)) for name, weight in morphisms.items() if weight > 0
    }
    seen = {g.fingerprint}
    children: list[Child] = []
    while len(children) < n_neigh:
        names = [name for name, left in sites.items() if left]
        if not names:
            break
        weights = np.array([morphisms[name] for name in names])
        name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        site = sites[name].pop(int(rng.integers(len(sites[name]))))
        try:
            child = MORPHISMS[name].apply(parent, site, rng)
        except ValueError:  # a site whose child would not be a legal graph
            continue
        fingerprint = child.architecture.fingerprint
        if fingerprint not in seen and legal(child.architecture, constraints):
            seen.add(fingerprint)
            children.append(Child(child, name, site))
    if not children:
        raise ValueError(
            "search.constraints: no morphism of the current network keeps them; "
            "raise max_conv_layers, max_filters, max_parameters or max_flops"
        )
    return children
