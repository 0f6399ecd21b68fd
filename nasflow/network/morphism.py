"""What a network morphism is: where it may change an architecture, and how it makes the child.

A morphism takes a parent network and a site, and gives a child network. The parent stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from nasflow.architecture.architecture import Architecture
from nasflow.network.network import Network

Site = tuple[int, ...]


@dataclass(frozen=True)
class Morphism:
    """One kind of change of a network, as a pair of pure functions.

    A site names a place where the change may be made: a tuple with the ids of the nodes that it
    concerns, followed by the option (such as a kernel size) if the morphism has one.

    Attributes:
        name: the name in configurations and records.
        preserves: True if the child computes the function of its parent in eval mode, up to
            rounding.
        sites: lists the sites of an architecture.
        apply: makes the child of a network at one of its sites. The random generator draws new
            weights where the morphism needs them. Raises ValueError if the child would be no
            legal architecture, which happens at some sites.
    """

    name: str
    preserves: bool
    sites: Callable[[Architecture], Iterator[Site]]
    apply: Callable[[Network, Site, np.random.Generator], Network]
