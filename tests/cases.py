"""Random legal architectures and networks for the property tests."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch

from nasflow.architecture.templates import chain
from nasflow.config.search import Constraints
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import Network, forward, initialise
from nasflow.search.neighbourhood import legal, sample

CONSTRAINTS = Constraints(max_conv_layers=9, max_filters=64, min_filters=2, max_inputs=3)
EQUAL = dict.fromkeys(MORPHISMS, 1.0)


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
    current = _shaken(current, _generator(state))
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
            forward(g, x, buffers, noise(torch.zeros(16, 2, 8, 8)), training=True)
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
