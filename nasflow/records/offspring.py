"""Rebuilds the architecture of a child that a round did not keep, from its parent and its record.

A round keeps the checkpoint of its winner only. For every other child, architectures.parquet names
the morphisms that made it, and the places where they were applied.
"""

from __future__ import annotations

import numpy as np

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import TEMPLATES
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import initialise

LARGEST = 100_000_000  # parameters of a parent; its weights and velocities then take 0.8 GB


def offspring(
    parent: Architecture, morphism: str, site: str, fingerprint: str
) -> Architecture | None:
    """Apply the recorded morphisms to the parent again.

    The architecture that results does not depend on the weights, so the parent gets arbitrary ones.

    Args:
        parent: the architecture at the centre of the round.
        morphism: the column of architectures.parquet, such as `widen+deepen`, or the name of a
            template in a round that chose in a portfolio.
        site: the column of architectures.parquet: where each morphism was applied, such as
            `3,2+5,3`.
        fingerprint: the recorded fingerprint of the child.

    Returns:
        The child, or None where the morphisms cannot be applied or lead to another fingerprint: the
        nasflow that made the round had other morphisms. None also where the parent has more than
        LARGEST parameters, since its weights are made for this.
    """
    if parent.parameters > LARGEST:
        return None
    if morphism in TEMPLATES:
        g = TEMPLATES[morphism](parent.shapes[parent.image.id], parent.head.width)
        return g if g.fingerprint == fingerprint else None
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
