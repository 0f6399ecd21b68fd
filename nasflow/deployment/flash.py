"""The bytes of a network's weights where the network is used: what they take of a board's flash.

BatchNorm is folded into the convolution before it: each filter is scaled, and gets a bias (Jacob et
al. 2018, arXiv 1712.05877, section 3.2). What is stored then is, with the bytes in int8:

- the weights of each convolution and of the linear layer, and the fixed filters of each `whiten`: 1
  byte for each weight;
- the bias of each filter of a convolution, and of each class: 4 bytes (int32);
- the scale of the weights of each filter, and of each class: 4 bytes (float32);
- the factors `mix` and `1 - mix` of each channel of an `add`: 4 bytes each (float32).

In float32 every number takes 4 bytes, and there are no scales. In int8 the weights of each filter
have a scale of their own, and a bias has the scale that follows from those of the weights and of
the map that is read (specification of LiteRT, https://ai.google.dev/edge/litert/models/
quantization_spec). The factors of an `add` stay as they are, as in the file that
`nasflow.deployment.int8` writes. Not counted are the program, the structure of the file, the scale
and the zero point of each map (5 bytes), zero points of weights, which are all 0, scales of biases,
which follow from others, and the mean and the standard deviation of the images (8 bytes per
channel).
"""

from __future__ import annotations

import math

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import FILTERING, HEADS
from nasflow.config.kinds import Stored

NUMBER = 4  # bytes of a float32 or an int32


def flash(g: Architecture, precision: Stored) -> int:
    """Return the bytes of all weights of a network.

    Args:
        g: the architecture.
        precision: the number format of the weights, float32 or int8.
    """
    weights, others, scales = (sum(one[i] for one in _stored(g)) for i in range(3))
    if precision == Stored.FLOAT32:
        return NUMBER * (weights + others)
    return weights + NUMBER * (others + scales)


def _stored(g: Architecture) -> list[tuple[int, int, int]]:
    """Return the weights, the biases or factors, and the scales of each node that has any."""
    found = []
    for node in g.nodes:
        inputs = [g.shapes[i] for i in node.inputs]
        if node.op in FILTERING:
            weights = node.width * inputs[0][0] * node.kernel**2
            found.append((weights, node.width * (node.op == "conv"), node.width))
        elif node.op == "add":
            found.append((0, 2 * inputs[0][0], 0))
        elif node.op in HEADS:
            read = math.prod(inputs[0]) if node.op == "flat_head" else inputs[0][0]
            found.append((node.width * read, node.width, node.width))
    return found
