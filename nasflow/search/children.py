"""The children that a round begins with, and how far each is from its parent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from nasflow.architecture.architecture import Architecture
from nasflow.network.network import Network, forward, initialise
from nasflow.randomness import generator
from nasflow.search.neighbourhood import Child, sample
from nasflow.search.proposal import steepest
from nasflow.search.round import Setting
from nasflow.training import memory
from nasflow.training.batches import Batches

PROPOSED = 4
PROPOSAL_BATCH = 256


def propose(parent: Network, k: int, setting: Setting) -> list[Child]:
    """G_r without g_r. `proposal: gradient` draws PROPOSED times as many and keeps the steepest."""
    search = setting.search
    chosen = search["proposal"] == "gradient"
    candidates = sample(
        parent,
        search["n_neigh"] * (PROPOSED if chosen else 1),
        n_morphisms=search["n_morphisms"],
        morphisms=search["morphisms"],
        constraints=search["constraints"],
        rng=generator("morphism", setting.seed, setting.number),
        fits=_fits(parent, search),
    )
    if not chosen:
        return candidates
    key = (setting.seed, setting.number)
    size = min(PROPOSAL_BATCH, len(setting.train))
    images, labels = Batches(setting.train, size, "proposal", key, **setting.augment)(k)
    return steepest(candidates, search["n_neigh"], images, labels)


def _fits(parent: Network, search: dict[str, Any]) -> Callable[[Architecture], bool]:
    """Whether a network keeps to its even share of `max_memory`, of g_r and n_neigh children.
    ValueError where g_r itself does not."""
    most, batch, m = search["max_memory"], search["batch_size"], search["n_neigh"] + 1
    if most is None:
        return lambda g: True
    taken = memory.megabytes(parent.architecture, batch)
    if taken > most / m:
        raise ValueError(
            f"search.max_memory: {most:g}; g_r takes some {taken:.1f} MB, and so do {m} like it "
            f"{taken * m:.1f}; raise it, or lower n_neigh or batch_size"
        )
    return lambda g: memory.megabytes(g, batch) <= most / m


def starts(parent: Network, children: list[Child], setting: Setting) -> list[Network]:
    """g_r and its children as a round begins with them. `weights: fresh` draws those of all of them
    anew: what architectures are worth when nothing is inherited."""
    networks = [parent, *(child.network for child in children)]
    if setting.search["weights"] == "inherited":
        return networks
    device = next(iter(parent.x.values())).device
    return [
        initialise(n.architecture, generator("fresh", setting.seed, setting.number, i)).to(device)
        for i, n in enumerate(networks)
    ]


def output_changes(
    parent: Network, children: list[Child], images: torch.Tensor
) -> list[tuple[float, float]]:
    """max |child - parent| / std(parent) of the logits in eval and in train mode, a child each."""
    changes = []
    for child in children:
        evaluated, trained = (
            _distance(_logits(parent, images, mode), _logits(child.network, images, mode))
            for mode in (False, True)
        )
        changes.append((evaluated, trained))
    return changes


def _distance(before: torch.Tensor, after: torch.Tensor) -> float:
    return float((after - before).abs().max() / before.std())


def _logits(network: Network, images: torch.Tensor, training: bool) -> torch.Tensor:
    g, x, running, _ = network
    with torch.no_grad():
        buffers = {name: t.clone() for name, t in running.items()}
        return forward(g, x, buffers, images, training=training)
