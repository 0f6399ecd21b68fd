"""Which of many candidates become the children of a round: `proposal: gradient`.

One backward pass a candidate. A morphism keeps the function, so that at first a child can only
differ by how fast its loss falls: along the gradient flow dV/dt = -|grad V|^2, and the entries that
the parent has too have the parent's gradient, so that the new ones decide. Evci et al. 2022
(GradMax) and Wu et al. 2020 (Firefly) choose what to grow by the same quantity.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import Network, forward
from nasflow.search.neighbourhood import Child


def steepest(
    candidates: Sequence[Child], n_neigh: int, images: Tensor, labels: Tensor
) -> list[Child]:
    """The n_neigh candidates that stay, in the order in which they were drawn.

    Candidates with a negative morphism have nothing new to judge: those among the first n_neigh
    stay, as if there had been no choice; the others compete by the descent rate on one batch,
    (batch, channels, height, width) and (batch,)."""
    grown = [all(MORPHISMS[name].preserves for name in child.morphisms) for child in candidates]
    stay = [i for i in range(min(n_neigh, len(candidates))) if not grown[i]]
    rates = {
        i: descent_rate(child.network, images, labels)
        for i, child in enumerate(candidates)
        if grown[i]
    }
    best = sorted(rates, key=lambda i: -rates[i])[: n_neigh - len(stay)]
    return [candidates[i] for i in sorted(stay + best)]


def descent_rate(network: Network, images: Tensor, labels: Tensor) -> float:
    """|grad_x V|^2 in train mode, nats a unit of time of the gradient flow; changes nothing."""
    g, parameters, running, _ = network
    x = {name: t.detach().requires_grad_() for name, t in parameters.items()}
    buffers = {name: t.clone() for name, t in running.items()}
    loss = F.cross_entropy(forward(g, x, buffers, images, training=True), labels)
    gradient = torch.autograd.grad(loss, list(x.values()))
    return float(sum(t.square().sum() for t in gradient))
