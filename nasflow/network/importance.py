"""How much the filters of a convolution matter for what the network computes."""

from __future__ import annotations

import torch
from torch import Tensor

from nasflow.architecture.node import HEADS
from nasflow.network.network import Network


def importance(network: Network, conv: int) -> Tensor:
    """Estimate how much each filter of a convolution matters, summed over its tied group.

    BatchNorm gives the output of a filter the standard deviation |scale|, whatever the length of
    its weights is. So scale^2 says how much a channel varies (Liu et al. 2017, arXiv 1708.06519),
    and the squares of the weights that read the channel say how much of that arrives in the next
    layers. Both are multiplied.

    Without training, but with new statistics of BatchNorm, a quarter fewer filters everywhere
    raised the loss of a network on digits from 0.047 to 0.107, the norm of the filter times |scale|
    (`width.narrow`) to 0.114, the norm alone to 0.146, and chance to 0.205. With half of the
    filters the losses were 0.396, 0.529, 0.731 and 0.829. On AddNIST, in a network that Muon had
    trained for 5 epochs, a quarter fewer raised the loss from 1.18 to 1.80, 2.12, 2.30 and 1.72:
    its filters differ little, and chance did as well.

    Args:
        network: the network.
        conv: the id of the convolution.

    Returns:
        A number of at least 0 for each filter, (width,); only their order has a meaning.
    """
    group = sorted(network.architecture.tied(conv))
    emitted = torch.stack([network.x[f"{one}.scale"].square() for one in group]).sum(0)
    return emitted * _read(network, frozenset(group), emitted)


def _read(network: Network, group: frozenset[int], like: Tensor) -> Tensor:
    """Sum the squares of all weights that read each channel of a group, (width,)."""
    g, total = network.architecture, torch.zeros_like(like)
    for node in g.nodes:
        if node.op != "conv" and node.op not in HEADS:
            continue
        weight = network.x[f"{node.id}.weight"]
        square = weight.reshape(*weight.shape[:2], -1).square().sum((0, 2))
        start = 0
        for segment in g.segments[node.inputs[0]]:
            size = g[segment].width
            if segment in group:
                total = total + square[start : start + size]
            start += size
    return total
