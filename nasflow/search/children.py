"""The children that a round begins with, and how far each is from its parent."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from nasflow.architecture.architecture import Architecture
from nasflow.config.kinds import Proposal, Template, Weights
from nasflow.config.search import Search
from nasflow.network.base import template_network
from nasflow.network.network import Network, forward, initialise
from nasflow.network.whitening import IMAGES as WHITENING
from nasflow.randomness import generator
from nasflow.search.bounds import affordable, prunes, quick, refuse
from nasflow.search.neighbourhood import Child, legal, sample
from nasflow.search.proposal import steepest
from nasflow.search.round import Setting
from nasflow.training import memory
from nasflow.training.batches import varied

PROPOSED = 4  # candidates for each child, with `proposal: gradient`
PROPOSAL_BATCH = 256  # images by which they are compared
STEEPEST = 3.0  # a step of a prune path divides the parameters by no more, if it can be avoided
UNBOUND = {  # the bounds of an architecture, for the children of a parent that breaks one itself
    **{"max_conv_layers": 2**31, "max_filters": 65536, "max_inputs": 64, "max_pools": 64},
    **dict.fromkeys(("max_last_filters", "max_last_inputs", "max_parameters", "max_flops")),
}


def propose(parent: Network, k: int, setting: Setting) -> list[Child]:
    """Draw the children of a round.

    With `proposal: gradient` PROPOSED times as many candidates are drawn, and those are kept whose
    loss falls steepest. All ranks of a round get the same children.

    Args:
        parent: the centre of the round.
        k: the global step, by which the batch of the gradients is drawn.
        setting: everything else that makes the round.

    Returns:
        Up to n_neigh children; fewer where no more are possible.

    Raises:
        ValueError: if the centre alone takes more than its part of `max_memory`, or breaks a bound
            of the board that no child could keep, or if a bound on latency has no table.
    """
    if setting.search.constraints.max_latency is not None and setting.latency is None:
        raise ValueError("search.constraints.max_latency: the round got no table of latencies")
    refuse(parent.architecture, setting.search, "g_r", setting.latency)
    if setting.portfolio:
        return portfolio(parent, setting)
    if setting.pruning:
        return _smaller(parent, setting)
    search = setting.search
    chosen = search.proposal == Proposal.GRADIENT
    candidates = sample(
        parent,
        search.n_neigh * (PROPOSED if chosen else 1),
        n_morphisms=search.n_morphisms,
        morphisms=search.drawn,
        constraints=search.constraints,
        rng=generator("morphism", setting.seed, setting.number),
        fits=_fits(parent, setting),
    )
    if not chosen:
        return candidates
    key = (setting.seed, setting.number)
    size = min(PROPOSAL_BATCH, len(setting.train))
    batches = varied(setting.train, size, "proposal", key, setting.augment)
    return steepest(
        candidates,
        search.n_neigh,
        *batches(k),
        setting.train.weights,
        ranks=setting.ranks,
        workers=setting.workers,
    )


def within_bounds(parent: Network, setting: Setting) -> Setting:
    """Leave out the networks of the portfolio that break a bound of the board.

    Where only the first network is left, the round makes children by morphisms.

    Args:
        parent: the centre of the round, which is the first network of the portfolio.
        setting: everything else that makes the round.
    """
    left = affordable(setting.portfolio, parent.architecture, setting.search, setting.latency)
    return setting._replace(portfolio=tuple(map(Template, left)))


def _smaller(parent: Network, setting: Setting) -> list[Child]:
    """Draw the children of a prune round, which have fewer parameters than their parent.

    They keep at least 1 / STEEPEST of them, so that the path has networks of many sizes. Where no
    such child is possible, smaller ones are drawn.

    The parent may be larger than the bounds of a child, such as a network that was given
    (`base.network`). Its children then need not keep them either, apart from `min_filters`, since
    a path that has to shrink in steps could not begin otherwise. And where the memory is bounded,
    there are only as many children as fit beside their parent.
    """
    g, search = parent.architecture, setting.search
    constraints = search.constraints
    if not legal(g, constraints):
        fewest = min(constraints.min_filters, min(conv.width for conv in g.convs))
        constraints = constraints.model_copy(update=UNBOUND | {"min_filters": fewest})
    found: list[Child] = []
    for least in (g.parameters / STEEPEST, 0.0):
        found = found or sample(
            parent,
            _fitting(g, search),
            morphisms=search.drawn,
            constraints=constraints,
            rng=generator("morphism", setting.seed, setting.number),
            fits=partial(_between, least, g, setting),
        )
    return found


def _between(least: float, parent: Architecture, setting: Setting, g: Architecture) -> bool:
    """Tell whether a child has at least so many parameters, fewer than its parent, and is quick."""
    smaller = least <= g.parameters < parent.parameters
    return smaller and quick(g, setting.search.constraints, parent, setting.latency)


def _fitting(g: Architecture, search: Search) -> int:
    """Return how many children, at most as large as their parent, fit into `max_memory` with it.

    Raises:
        ValueError: if not even one does.
    """
    most, taken = search.max_memory, memory.megabytes(g, search.batch_size)
    count = search.n_neigh if most is None else min(search.n_neigh, int(most / taken) - 1)
    if count < 1:
        raise ValueError(
            f"search.max_memory: {most:g}; a network of a prune round takes some {taken:.1f} MB, "
            "and its child as much; raise it, or lower batch_size"
        )
    return count


def portfolio(parent: Network, setting: Setting) -> list[Child]:
    """Make the networks of the portfolio beside the first one, which is the centre.

    Each is a child whose "morphism" is the name of its template, and which has no site.
    """
    g, train = parent.architecture, setting.train
    images, device = train.chunk(0, WHITENING)[0].cpu(), train.mean.device
    image, classes = g.shapes[g.image.id], g.head.width
    return [
        Child(
            template_network(name, image, classes, setting.seed, images).to(device), (name,), ((),)
        )
        for name in setting.portfolio[1:]
    ]


def _fits(parent: Network, setting: Setting) -> Callable[[Architecture], bool]:
    """Return a test whether a network keeps the bounds on memory and on latency."""
    search, above = setting.search, parent.architecture
    small, allowed = _within_memory(parent, search), above if prunes(search.drawn) else None
    return lambda g: small(g) and quick(g, search.constraints, allowed, setting.latency)


def _within_memory(parent: Network, search: Search) -> Callable[[Architecture], bool]:
    """Return a test whether a network takes at most its part of `max_memory`.

    The part is the same for the centre and for each of n_neigh children. Raises ValueError where
    the centre itself takes more."""
    most, batch, m = search.max_memory, search.batch_size, search.n_neigh + 1
    if most is None:
        return lambda g: True
    part = most / m
    taken = memory.megabytes(parent.architecture, batch)
    if taken > part:
        raise ValueError(
            f"search.max_memory: {most:g}; g_r takes some {taken:.1f} MB, and so do {m} like it "
            f"{taken * m:.1f}; raise it, or lower n_neigh or batch_size"
        )
    return lambda g: memory.megabytes(g, batch) <= part


def starts(parent: Network, children: list[Child], setting: Setting) -> list[Network]:
    """Return the centre and its children as a round begins with them.

    With `weights: fresh` all of them get new random weights, which shows what architectures are
    worth when nothing is inherited.

    Args:
        parent: the centre of the round.
        children: its children.
        setting: everything else that makes the round.

    Returns:
        The networks, the centre first.
    """
    networks = [parent, *(child.network for child in children)]
    if setting.search.weights == Weights.INHERITED:
        return networks
    device = next(iter(parent.x.values())).device
    return [
        initialise(n.architecture, generator("fresh", setting.seed, setting.number, i)).to(device)
        for i, n in enumerate(networks)
    ]


def output_changes(
    parent: Network, children: list[Child], images: torch.Tensor
) -> list[tuple[float, float]]:
    """Measure how far the logits of each child are from those of its parent.

    Args:
        parent: the centre of the round.
        children: its children, as they were made.
        images: (batch, channels, height, width).

    Returns:
        For each child max |child - parent| / std(parent), in evaluation mode and in training mode.
    """
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
