"""The architecture of a child that a round did not keep, from its parent and the recorded moves."""

from __future__ import annotations

import numpy as np

from nasflow.architecture.architecture import Architecture
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import initialise


def offspring(
    parent: Architecture, morphism: str, site: str, fingerprint: str
) -> Architecture | None:
    """`morphism` and `site` as in architectures.parquet: `widen+deepen`, `3,2+5,3`.

    None where that leads to another fingerprint, or nowhere: the round was made by a nasflow with
    other morphisms. Weights have no say in which architecture comes out, so any will do."""
    rng = np.random.default_rng(0)
    network = initialise(parent, rng)
    try:
        for name, place in zip(morphism.split("+"), site.split("+"), strict=True):
            where = tuple(int(number) for number in place.split(","))
            network = MORPHISMS[name].apply(network, where, rng)
    except (LookupError, ValueError):
        return None
    g = network.architecture
    return g if g.fingerprint == fingerprint else None
