"""How `proposal: gradient` chooses the children of a round among more candidates.

The choice costs one backward pass for each candidate. A positive morphism does not change the
function that a network computes. Its children therefore begin with equal losses and differ only in
how fast the loss falls: dV/dt = -|grad V|^2 along the gradient flow. Parameters that the parent
has, too, have the same gradient as in the parent, so that the new parameters decide. Evci et al.
2022 (GradMax) and Wu et al. 2020 (Firefly) use the same quantity to choose what to add.

Two GPUs may round differently, and ranks that chose different children would train different
networks. Each candidate is therefore measured on one rank only, and all ranks choose by the same
numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import torch
from torch import Tensor

from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import Network, forward
from nasflow.search.neighbourhood import Child
from nasflow.training.class_loss import mean_loss
from nasflow.training.load_balance import spread
from nasflow.training.ranks import ALONE, Ranks
from nasflow.training.sibling import Batch
from nasflow.training.workers import Workers


def steepest(
    candidates: Sequence[Child],
    n_neigh: int,
    images: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    *,
    ranks: Ranks = ALONE,
    workers: int = 1,
) -> list[Child]:
    """Choose the children of a round among candidates.

    A negative morphism changes the function, so that candidates with one cannot be compared in this
    way. Those among the first n_neigh candidates are chosen, as if there were no others. The other
    places go to the candidates whose loss falls fastest on one batch.

    Args:
        candidates: the networks to choose from, in the order in which they were drawn.
        n_neigh: the number of children.
        images: the images of the batch, (batch, channels, height, width).
        labels: their classes, (batch,), or the probabilities of the classes, (batch, classes).
        weights: the weights of the classes, (classes,); None where all are 1.
        ranks: the processes that share the work.
        workers: threads of this process; on a GPU one thread does all.

    Returns:
        The n_neigh children (fewer if there are not enough), in the order of the candidates.
    """
    grown = [all(MORPHISMS[name].preserves for name in child.morphisms) for child in candidates]
    stay = [i for i in range(min(n_neigh, len(candidates))) if not grown[i]]
    compared = [i for i in range(len(candidates)) if grown[i]]
    networks = [candidates[i].network for i in compared]
    found = _rates(networks, (images, labels), weights, ranks, workers)
    rates = dict(zip(compared, found, strict=True))
    best = sorted(rates, key=lambda i: -rates[i])[: n_neigh - len(stay)]
    return [candidates[i] for i in sorted(stay + best)]


def _rates(
    networks: Sequence[Network], batch: Batch, weights: Tensor | None, ranks: Ranks, workers: int
) -> list[float]:
    """Compute the descent rate of each network on one of the ranks; all ranks get all rates."""
    if not networks:
        return []
    owner = spread([float(n.architecture.flops) for n in networks], ranks.size)
    mine = [i for i, rank in enumerate(owner) if rank == ranks.rank]
    threads = 1 if batch[0].is_cuda else workers
    with closing(Workers(threads)) as pool:
        found = list(pool.map(lambda i: _descent(networks[i], batch, weights), mine))
    numbers = torch.stack(found).tolist() if found else []  # a GPU is waited for once
    rows = {i: (number,) for i, number in zip(mine, numbers, strict=True)}
    return [float(rate) for rate in ranks.merge(rows, len(networks), 1)[:, 0]]


def descent_rate(
    network: Network, images: Tensor, labels: Tensor, weights: Tensor | None = None
) -> float:
    """Compute how fast the loss V of a network falls along the gradient flow: |grad_x V|^2.

    BatchNorm works in training mode. The network is not changed.

    Args:
        network: the network; its tensors live on the device of the images.
        images: the images of one batch, (batch, channels, height, width).
        labels: their classes, (batch,), or the probabilities of the classes, (batch, classes).
        weights: the weights of the classes, (classes,); None where all are 1.

    Returns:
        The rate in nats per unit of time of the gradient flow.
    """
    return float(_descent(network, (images, labels), weights))


def _descent(network: Network, batch: Batch, weights: Tensor | None) -> Tensor:
    """Compute what `descent_rate` returns, as a tensor of no dimension."""
    (g, parameters, running, _), (images, labels) = network, batch
    x = {name: t.detach().requires_grad_() for name, t in parameters.items()}
    buffers = {name: t.clone() for name, t in running.items()}
    loss = mean_loss(forward(g, x, buffers, images, training=True), labels, weights)
    gradient = torch.autograd.grad(loss, list(x.values()))
    first, *others = (t.square().sum() for t in gradient)
    return sum(others, first)  # in the order of the tensors, since another order rounds differently
