"""The base network g_0, with random weights."""

from __future__ import annotations

from nasflow.architecture.architecture import chain
from nasflow.config.base import Base
from nasflow.config.kinds import Head
from nasflow.network.network import Network, initialise
from nasflow.randomness import generator


def base_network(base: Base, image: tuple[int, int, int], classes: int, seed: int) -> Network:
    """Make g_0 with random weights.

    Args:
        base: widths, kernel and head.
        image: (channels, height, width) of the images.
        classes: number of classes.
        seed: the seed of the search.
    """
    head = "flat_head" if base.head == Head.FLATTEN else "head"
    g = chain(base.widths, base.kernel, image, classes, head)
    return initialise(g, generator("init", seed))
