"""Networks by which latency is measured: random chains, changed by random morphisms.

Their FLOPs are spread evenly on a logarithmic scale, because a table must hold for the smallest and
for the largest networks of a search alike.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import Image, Layer, stack
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import Network, initialise
from nasflow.randomness import generator

FLOPS = (300.0, 150_000.0)  # the range of FLOPs for each pixel of the image
VARIED = 0.2  # part of the networks that have strides, and of those with mean pools
MORPHED = 6  # morphisms of a network, at most
KERNEL, LAYERS = 7, 24  # the largest kernel, and the most convolutions, that morphisms lead to
WIDTHS = (2, 256)  # filters of a convolution
HEADS = ("head", "head", "head", "flat_head", "peak_head")


def networks(image: Image, classes: int, count: int, first: int = 0) -> list[Network]:
    """Draw networks for images of one shape; the same ones in every call.

    Args:
        image: (channels, height, width).
        classes: the number of classes.
        count: how many networks.
        first: the number of the first one; other numbers give other networks.

    Returns:
        Networks with random weights, in random order of their sizes.
    """
    found = []
    for index in range(first, first + count):
        rng = generator("latency", index)
        low, high = (bound * image[1] * image[2] for bound in FLOPS)
        part = (index * 0.6180339887) % 1.0  # evenly spread, whatever the count is
        g = _varied(_chain(image, classes, low * (high / low) ** part, rng), rng)
        found.append(_morphed(initialise(g, rng), high, rng))
    return found


def _chain(image: Image, classes: int, flops: float, rng: np.random.Generator) -> Architecture:
    """Build a random chain with about so many FLOPs."""
    depth, growth = int(rng.integers(2, 10)), float(rng.uniform(1.0, 1.6))
    pools = set(rng.choice(depth, size=min(depth, int(rng.integers(0, 5))), replace=False).tolist())
    whiten = rng.random() < 0.15
    activation = "gelu" if rng.random() < 0.25 else "relu"
    head, step = str(rng.choice(HEADS)), int(rng.choice([1, 4, 8]))

    def build(first: float) -> Architecture:
        layers: list[Layer] = []
        width = first
        for index in range(depth):
            whole = max(1, round(min(width, WIDTHS[1]) / step)) * step
            layers.append(max(WIDTHS[0], whole))
            if index in pools:
                layers.append("P")
                width *= growth
        return stack(layers, image, classes, activation=activation, whiten=whiten, head=head)

    low, high = map(float, WIDTHS)
    for _ in range(12):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if build(middle).flops < flops else (low, middle)
    return build(low)


def _varied(g: Architecture, rng: np.random.Generator) -> Architecture:
    """Give some convolutions of one network in five a stride of 2, and some pools of one the mean.

    A network whose maps become too small for its pools stays as it is."""
    strided, mean = rng.random(2) < VARIED
    nodes = []
    for node in g.nodes:
        chosen = rng.random() < 0.5
        if strided and chosen and node.op == "conv" and min(g.shapes[node.id][1:]) >= 8:
            node = replace(node, stride=2)
        elif mean and chosen and node.op == "pool":
            node = replace(node, op="mean_pool")
        nodes.append(node)
    try:
        return Architecture(tuple(nodes), g.size)
    except ValueError:
        return g


def _morphed(network: Network, flops: float, rng: np.random.Generator) -> Network:
    """Apply a random number of random morphisms, none of which leads out of the bounds."""
    for _ in range(int(rng.integers(0, MORPHED + 1))):
        g = network.architecture
        kinds = [name for name in MORPHISMS if any(True for _ in MORPHISMS[name].sites(g))]
        morphism = MORPHISMS[str(rng.choice(kinds))]
        sites = sorted(morphism.sites(g))
        try:
            child = morphism.apply(network, sites[int(rng.integers(len(sites)))], rng)
        except ValueError:  # the child would not be a legal graph
            continue
        if _within(child.architecture, flops):
            network = child
    return network


def _within(g: Architecture, flops: float) -> bool:
    kernel, width = (max(getattr(c, n) for c in g.convs) for n in ("kernel", "width"))
    small = g.flops <= flops and len(g.convs) <= LAYERS
    return small and kernel <= KERNEL and width <= WIDTHS[1]
