"""Random legal architectures and networks for the property tests."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node
from nasflow.architecture.templates import chain, stack
from nasflow.config.search import COMPOUND_WEIGHTS, Constraints
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import Network, forward, initialise
from nasflow.network.whitening import whitened
from nasflow.search.neighbourhood import legal, sample

CONSTRAINTS = Constraints(max_conv_layers=9, max_filters=64, min_filters=2, max_inputs=3)
EQUAL = {name: 1.0 for name in MORPHISMS if name not in COMPOUND_WEIGHTS}
LOOSE = CONSTRAINTS.model_copy(update={"max_conv_layers": 20, "max_inputs": 9})

# A network with every kind of node but the two other heads.
EVERY_NODE = Architecture(
    (
        Node(0, "image", (), 2),
        Node(1, "whiten", (0,), 8, 2, activation="gelu"),
        Node(2, "conv", (1,), 16, 3, activation="gelu"),
        Node(3, "mean_pool", (2,)),
        Node(4, "conv", (3,), 16, 2),
        Node(5, "add", (4, 3)),
        Node(6, "conv", (5,), 24, 3),
        Node(7, "pad", (5,), 24),
        Node(8, "concat", (6, 7)),
        Node(9, "conv", (8,), 16, 1),
        Node(10, "pool", (9,)),
        Node(11, "conv", (10,), 16, 3),
        Node(12, "add", (11, 10)),
        Node(13, "pool", (12,)),
        Node(14, "flat_head", (13,), 5),
    ),
    (20, 20),
)


def images(count: int, dtype: torch.dtype = torch.float32, seed: int = 7) -> torch.Tensor:
    """Return standard normal images of shape (count, 2, 8, 8)."""
    draw = np.random.default_rng(seed).standard_normal((count, 2, 8, 8))
    return torch.tensor(draw, dtype=dtype)


@functools.cache
def network(seed: int, morphed: int, dtype: torch.dtype = torch.float32) -> Network:
    """Return a network `morphed` random morphisms away from a small base.

    Its BatchNorm parameters, statistics, mixes and velocities are nowhere at their initial values.
    """
    current, state = _morphed(seed, morphed)
    assert legal(current.architecture, CONSTRAINTS)
    return _typed(_shaken(current, _generator(state)), dtype)


@functools.cache
def varied(seed: int, dtype: torch.dtype = torch.float32) -> Network:
    """Return a network that may have GELU, a whitened layer, strides, skips and any head.

    Its images have 2 channels and sides of 6 to 13 pixels. Three random morphisms at most lie
    between it and a stack of convolutions. Like `network` it is nowhere at its initial values.
    """
    rng = np.random.default_rng((seed, 1))
    head = ("head", "head", "flat_head", "peak_head")[rng.integers(4)]
    smooth, white, morphed = bool(rng.integers(2)), rng.random() < 0.3, int(rng.integers(4))
    layers = [int(rng.choice([3, 4, 8])) for _ in range(rng.integers(2, 5))]
    mixed = [layer for width in layers for layer in ((width, "P")[: 1 + int(rng.integers(2))])]
    size = (2, *(int(side) for side in rng.integers(6, 14, 2)))
    g = stack(mixed, size, 5, activation=("relu", "gelu")[smooth], whiten=white, head=head)
    current = initialise(_strided(g, rng), rng)
    current = whitened(current, torch.tensor(rng.standard_normal((64, *size)), dtype=torch.float32))
    names = [name for name in MORPHISMS if MORPHISMS[name].preserves]
    for _ in range(morphed):
        kinds = dict.fromkeys(names, 1.0)
        for child in sample(current, 1, morphisms=kinds, constraints=LOOSE, rng=rng):
            current = child.network
    return _typed(_shaken(current, rng), dtype)


def _strided(g: Architecture, rng: np.random.Generator) -> Architecture:
    """Give a convolution stride 2, where the map stays large enough for what follows."""
    conv = g.convs[int(rng.integers(len(g.convs)))]
    nodes = tuple(replace(n, stride=2) if n == conv else n for n in g.nodes)
    try:
        return Architecture(nodes, g.size) if rng.random() < 0.4 else g
    except ValueError:
        return g


def batch_of(network: Network, count: int, seed: int = 7) -> torch.Tensor:
    """Return standard normal images for a network, in the type of its tensors."""
    shape = (count, network.architecture.image.width, *network.architecture.size)
    draw = np.random.default_rng(seed).standard_normal(shape)
    return torch.tensor(draw, dtype=next(iter(network.x.values())).dtype)


def _typed(current: Network, dtype: torch.dtype) -> Network:
    parts = ({k: t.to(dtype) for k, t in part.items()} for part in current[1:])
    return Network(current.architecture, *parts)


@functools.cache
def _morphed(seed: int, times: int) -> tuple[Network, dict[str, Any]]:
    """A network after so many morphisms, and the state of the generator that drew them."""
    if not times:
        rng = np.random.default_rng(seed)
        widths = tuple(int(w) for w in rng.choice([4, 6, 8], 3))
        head = ("head", "flat_head")[seed % 2]
        return initialise(chain(widths, 3, (2, 8, 8), 5, head), rng), _state(rng)
    before, state = _morphed(seed, times - 1)
    rng = _generator(state)
    family = sample(before, 1, morphisms=EQUAL, constraints=CONSTRAINTS, rng=rng)
    return family[0].network, _state(rng)


def _state(rng: np.random.Generator) -> dict[str, Any]:
    return dict(rng.bit_generator.state)


def _generator(state: dict[str, Any]) -> np.random.Generator:
    rng = np.random.default_rng()
    rng.bit_generator.state = state
    return rng


def _shaken(network: Network, rng: np.random.Generator) -> Network:
    def noise(t: torch.Tensor) -> torch.Tensor:
        return torch.tensor(rng.standard_normal(tuple(t.shape)), dtype=t.dtype)

    g = network.architecture
    x = {k: t + 0.1 * noise(t) for k, t in network.x.items()}
    v = {k: noise(t) for k, t in network.v.items()}
    buffers = {k: t.clone() for k, t in network.buffers.items()}
    for _ in range(4):
        with torch.no_grad():
            forward(g, x, buffers, noise(torch.zeros(16, 2, *g.size)), training=True)
    return Network(g, x, buffers, v)


def logits(network: Network, batch: torch.Tensor, *, training: bool = False) -> torch.Tensor:
    """Return the logits of a batch; the running statistics of the network stay as they are."""
    g, x, buffers, _ = network
    copies = {k: t.clone() for k, t in buffers.items()}
    with torch.no_grad():
        return forward(g, x, copies, batch, training=training)


def facts(network: Network) -> dict[str, Any]:
    """Return what data.json would say about the images that the network takes."""
    g = network.architecture
    names = [f"class {i}" for i in range(g.head.width)]
    shape = dict(zip(("channels", "height", "width"), (g.image.width, *g.size), strict=True))
    return {"classes": names, **shape, "mean": [0.4, 0.5], "std": [0.2, 0.3]}
