"""The bytes of the maps of one image that a network needs at once: what they take of a board's RAM.

Nodes run one after the other, in the order in which the architecture lists them. A map is made when
its node runs, and is needed until the last node that reads it has run. While a node runs, the maps
that it reads and the one that it makes are all there. The figure is the largest sum of these maps,
over all nodes (Liberis & Lane 2019, arXiv 1910.05110). It is not the sum over all nodes.

The image is a map. BatchNorm is folded into its convolution, and an activation replaces the numbers
of the map that it reads. Every other node makes a new map: a convolution, a pool, an addition, a
concatenation, a padding. A head with a global pool makes the pooled numbers first, and the outputs
of the linear layer from them. A number takes 4 bytes in float32 and 1 byte in int8.

Not counted are the program, its stack, the camera's own picture, and the working memory that some
kernels take, such as the columns of a convolution that is computed as a product of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nasflow.architecture.architecture import Architecture
from nasflow.config.kinds import Stored

BYTES = {Stored.FLOAT32: 4, Stored.INT8: 1}  # of one number of a map


def ram(g: Architecture, precision: Stored) -> int:
    """Return the largest number of bytes of maps that are needed at once for one image.

    Args:
        g: the architecture.
        precision: the number format of the maps, float32 or int8.
    """
    return BYTES[precision] * max(_alive(g))


def _alive(g: Architecture) -> Iterator[int]:
    """Yield how many numbers of maps there are while each node runs."""
    last = {source: node.id for node in g.nodes for source in node.inputs}
    alive = 0
    for node in g.nodes:
        read = sum(math.prod(g.shapes[i]) for i in set(node.inputs) if last[i] == node.id)
        if node.op in ("head", "peak_head"):
            pooled = g.shapes[node.inputs[0]][0]
            yield alive + pooled
            alive, read = alive + pooled - read, pooled
        alive += math.prod(g.shapes[node.id])
        yield alive
        alive -= read
