"""Architectures that others have published, written down as ours, to be built and counted."""

from __future__ import annotations

from collections.abc import Sequence

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node

# The network that NASGD1 ended with, from the authors' released run: (filters in, filters out,
# kernel, 2x2 max pool on the input) of convolutions 0 to 18, and the edges between them, -1 being
# the image.
NASGD1_CONVOLUTIONS = (
    (3, 64, 3, False),
    (64, 64, 3, False),
    (64, 128, 3, True),
    (128, 64, 3, False),
    (64, 64, 3, False),
    (128, 128, 3, True),
    (128, 128, 3, False),
    (128, 256, 2, False),
    (256, 256, 3, False),
    (256, 512, 3, False),
    (512, 512, 3, True),
    (512, 512, 3, False),
    (512, 512, 5, False),
    (256, 256, 3, False),
    (768, 128, 3, False),
    (256, 256, 3, True),
    (256, 512, 4, False),
    (512, 512, 3, False),
    (512, 256, 8, False),
)
NASGD1_EDGES = (
    (-1, 0), (0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (3, 5), (5, 6), (6, 7), (7, 8), (8, 9),
    (9, 10), (2, 10), (10, 11), (11, 12), (7, 13), (13, 14), (12, 14), (14, 15), (7, 15),
    (15, 16), (16, 17), (17, 18),
)  # fmt: skip


def nasgd1() -> Architecture:
    """NASGD1 for 3 x 32 x 32 images and 10 classes: 28.6 million parameters (4.06 % error, as the
    paper reports it)."""
    return from_edges(NASGD1_CONVOLUTIONS, NASGD1_EDGES, (3, 32, 32), 10)


def from_edges(
    convolutions: Sequence[tuple[int, int, int, bool]],
    edges: Sequence[tuple[int, int]],
    image: tuple[int, int, int],
    classes: int,
) -> Architecture:
    """The architecture of a list of convolutions and edges; image is (C, H, W).

    Several inputs are concatenated where their channels add up to the filters in, and added
    otherwise, narrower ones padded with zero channels; larger maps are pooled to the smallest.
    How the released code joins unequal inputs is not documented: pads and pools have no
    parameters, so that the count does not depend on it. Additions are our learned means (Node)."""
    nodes = [Node(0, "image", (), image[0])]
    end = {-1: 0}  # the node that a convolution of the list became
    channels, height = {0: image[0]}, {0: image[1]}

    def append(op: str, inputs: tuple[int, ...], width: int = 0, kernel: int = 0) -> int:
        new = len(nodes)
        nodes.append(Node(new, op, inputs, width, kernel))
        total = sum(channels[i] for i in inputs) if op == "concat" else channels[inputs[0]]
        channels[new] = width or total
        height[new] = height[inputs[0]] // 2 if op == "pool" else height[inputs[0]]
        return new

    for number, (wanted, width, kernel, pooled) in enumerate(convolutions):
        inputs = [end[a] for a, b in edges if b == number]
        smallest = min(height[i] for i in inputs)
        for position in range(len(inputs)):
            while height[inputs[position]] > smallest:
                inputs[position] = append("pool", (inputs[position],))
        if len(inputs) > 1 and sum(channels[i] for i in inputs) == wanted:
            inputs = [append("concat", tuple(inputs))]
        inputs = [append("pad", (i,), wanted) if channels[i] < wanted else i for i in inputs]
        while len(inputs) > 1:
            inputs[:2] = [append("add", (inputs[0], inputs[1]))]
        source = append("pool", (inputs[0],)) if pooled else inputs[0]
        end[number] = append("conv", (source,), width, kernel)
    nodes.append(Node(len(nodes), "head", (end[len(convolutions) - 1],), classes))
    return Architecture(tuple(nodes), image[1:])
