"""The networks that a search begins with, with random weights."""

from __future__ import annotations

import math

import torch

from nasflow.architecture.templates import TEMPLATES, Image, chain
from nasflow.config.base import Base
from nasflow.config.kinds import FIXED, Algorithm, Head, Template
from nasflow.network.network import Network, initialise
from nasflow.network.whitening import whitened
from nasflow.randomness import generator


def base_network(base: Base, image: Image, classes: int, seed: int) -> Network:
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


def first_network(
    algorithm: Algorithm, base: Base, image: Image, classes: int, seed: int, images: torch.Tensor
) -> Network:
    """Make the network that an algorithm begins with, where no checkpoint is given.

    Args:
        algorithm: a fixed network, such as chain6, is its own g_0.
        base: the section of the configuration.
        image: (channels, height, width) of the images.
        classes: number of classes.
        seed: the seed of the search.
        images: some normalised training images, (n, channels, height, width), for a whitening.
    """
    template = template_of(algorithm, base)
    if template is None:
        return base_network(base, image, classes, seed)
    return template_network(template, image, classes, seed, images)


def template_of(algorithm: Algorithm, base: Base) -> Template | None:
    """Return the template that is g_0 of an algorithm, or None where `base` describes another g_0.

    Args:
        algorithm: a fixed network is its own template.
        base: a portfolio begins with its first network, unless a checkpoint is given.
    """
    if algorithm in FIXED:
        return Template(algorithm)
    return base.portfolio[0] if base.portfolio and base.network is None else None


def template_network(
    name: str, image: Image, classes: int, seed: int, images: torch.Tensor
) -> Network:
    """Make the network of a template with random weights.

    Every skip starts as the mean of its two branches, every whiten with the filters that the images
    ask for, and every convolution hands on its input (`pass_on`).

    Args:
        name: the name of the template, such as chain6.
        image: (channels, height, width) of the images.
        classes: number of classes.
        seed: the seed of the search.
        images: some normalised training images, (n, channels, height, width).
    """
    network = initialise(TEMPLATES[name](image, classes), generator(f"init {name}", seed))
    for tensor, mix in network.x.items():
        if tensor.endswith(".mix"):
            mix.fill_(0.5)
    pass_on(network)
    return whitened(network, images)


def pass_on(network: Network) -> None:
    """Let the first filters of every convolution hand on its input channels, in place.

    The filter of number i becomes the sum of its random weights and a Dirac on channel i, which is
    as high as filters are long on average; both are scaled by sqrt(1/2). In airbench94 (Jordan
    2024) it is the Dirac alone. Signals and gradients then reach every layer from the first step
    on. Chain7 on one core, test error with random weights alone, with the sum, with the Dirac
    alone: AddNIST, 120 s, 9.9, 8.4, 8.4 %; Language, 60 s, 13.0, 11.9, 12.3 %; CIFAR-10, 120 s,
    18.0, -, 17.7 %.
    """
    for conv in network.architecture.convs:
        weight = network.x[f"{conv.id}.weight"]
        count, middle = min(weight.shape[:2]), (conv.kernel - 1) // 2
        height = weight.flatten(1).norm(dim=1).mean()
        weight[:count] *= math.sqrt(0.5)
        weight[range(count), range(count), middle, middle] += math.sqrt(0.5) * height
