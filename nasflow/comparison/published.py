"""Architectures that others have published, in the form of this package, so that they can be built
and their parameters counted."""

from __future__ import annotations

from collections.abc import Sequence

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node

# The network that NASGD1 ended with, from the authors' released run. For each of the convolutions
# 0 to 18: (filters in, filters out, kernel, whether its input passes a 2x2 max pool).
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
NASGD1_EDGES = (  # (from, to) between these convolutions; -1 is the image
    (-1, 0), (0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (3, 5), (5, 6), (6, 7), (7, 8), (8, 9),
    (9, 10), (2, 10), (10, 11), (11, 12), (7, 13), (13, 14), (12, 14), (14, 15), (7, 15),
    (15, 16), (16, 17), (17, 18),
)  # fmt: skip


def nasgd1() -> Architecture:
    """Return NASGD1 for 3 x 32 x 32 images and 10 classes.

    It has 28.6 million parameters; the paper reports an error of 4.06 %.
    """
    return from_edges(NASGD1_CONVOLUTIONS, NASGD1_EDGES, (3, 32, 32), 10)


def from_edges(
    convolutions: Sequence[tuple[int, int, int, bool]],
    edges: Sequence[tuple[int, int]],
    image: tuple[int, int, int],
    classes: int,
) -> Architecture:
    """Build the architecture that a list of convolutions and a list of edges describe.

    Several inputs of a convolution are concatenated where their channels add up to its filters in.
    Otherwise they are added, and narrower ones are padded with zero channels first. Larger maps
    are pooled to the size of the smallest. How the released code joins unequal inputs is not
    documented; since pads and pools have no parameters, the count does not depend on it. An
    addition is the learned mean of this package (see `Node`).

    Args:
        convolutions: for each (filters in, filters out, kernel, whether its input is pooled).
        edges: pairs (from, to) of numbers of convolutions; -1 is the image.
        image: the shape of an image, (channels, height, width).
        classes: the number of classes.
    """
    draft = _Draft(image)
    end = {-1: 0}  # number of a convolution -> the node that it became
    for number, (wanted, width, kernel, pooled) in enumerate(convolutions):
        source = draft.join([end[a] for a, b in edges if b == number], wanted)
        source = draft.append("pool", (source,)) if pooled else source
        end[number] = draft.append("conv", (source,), width, kernel)
    nodes = draft.nodes
    nodes.append(Node(len(nodes), "head", (end[len(convolutions) - 1],), classes))
    return Architecture(tuple(nodes), image[1:])


class _Draft:
    """The nodes of an architecture so far, with the channels and the height of each one's map."""

    def __init__(self, image: tuple[int, int, int]) -> None:
        self.nodes = [Node(0, "image", (), image[0])]
        self._channels, self._height = {0: image[0]}, {0: image[1]}

    def append(self, op: str, inputs: tuple[int, ...], width: int = 0, kernel: int = 0) -> int:
        new, first = len(self.nodes), inputs[0]
        self.nodes.append(Node(new, op, inputs, width, kernel))
        channels, height = self._channels, self._height
        total = sum(channels[i] for i in inputs) if op == "concat" else channels[first]
        channels[new] = width or total
        height[new] = height[first] // 2 if op == "pool" else height[first]
        return new

    def join(self, inputs: list[int], wanted: int) -> int:
        """Return one node with `wanted` channels that joins all inputs."""
        channels, height = self._channels, self._height
        smallest = min(height[i] for i in inputs)
        for position in range(len(inputs)):
            while height[inputs[position]] > smallest:
                inputs[position] = self.append("pool", (inputs[position],))
        if len(inputs) > 1 and sum(channels[i] for i in inputs) == wanted:
            inputs = [self.append("concat", tuple(inputs))]
        inputs = [self.append("pad", (i,), wanted) if channels[i] < wanted else i for i in inputs]
        while len(inputs) > 1:
            inputs[:2] = [self.append("add", (inputs[0], inputs[1]))]
        return inputs[0]
