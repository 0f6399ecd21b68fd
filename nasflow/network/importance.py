"""How much the filters of a convolution matter for what the network computes."""

from __future__ import annotations

import torch
from torch import Tensor

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import HEADS
from nasflow.kernels.batch_norm import EPSILON
from nasflow.network.network import Network

CRITERION = "both"


def importance(network: Network, conv: int) -> Tensor:
    """Estimate how much each filter of a convolution matters, summed over its tied group.

    Args:
        network: the network.
        conv: the id of the convolution.

    Returns:
        A number for each filter, (width,); only its order has a meaning.
    """
    g = network.architecture
    group = sorted(g.tied(conv))
    x = network.x
    norm = sum((x[f"{c}.weight"].flatten(1).norm(dim=1).square() for c in group))
    scale = sum((x[f"{c}.scale"].square() for c in group))
    if CRITERION == "norm":
        return norm
    if CRITERION == "scale":
        return scale
    if CRITERION == "old":
        return sum(x[f"{c}.weight"].flatten(1).norm(dim=1) * x[f"{c}.scale"].abs() for c in group)
    reading = _reading(network, frozenset(group), normed=CRITERION != "rawread")
    if CRITERION == "read":
        return reading
    if CRITERION in ("both", "rawread"):
        return scale * reading
    if CRITERION == "oldread":
        return norm * scale * reading
    if CRITERION == "moment":
        from nasflow.network.depth import rectified_moments

        var = sum(rectified_moments(x[f"{c}.scale"], x[f"{c}.shift"])[1] for c in group)
        return var * reading
    if CRITERION == "moment2":
        from nasflow.network.depth import rectified_moments

        ms = [rectified_moments(x[f"{c}.scale"], x[f"{c}.shift"]) for c in group]
        return sum(m * m + v for m, v in ms) * reading
    if CRITERION == "random":
        return torch.rand(len(scale), generator=torch.Generator().manual_seed(conv))
    raise ValueError(CRITERION)


def _reading(network: Network, group: frozenset[int], normed: bool = True) -> Tensor:
    """Sum the squares of all weights that read each channel of a group."""
    g = network.architecture
    width = g[min(group)].width
    total = torch.zeros_like(network.x[f"{min(group)}.scale"])
    for node in g.nodes:
        if node.op != "conv" and node.op not in HEADS:
            continue
        square = network.x[f"{node.id}.weight"].square().flatten(2) if len(
            network.x[f"{node.id}.weight"].shape) > 2 else network.x[f"{node.id}.weight"].square()[..., None]
        square = square.sum(2)
        if node.op == "conv" and normed:
            scale, variance = network.x[f"{node.id}.scale"], network.buffers[f"{node.id}.variance"]
            square = square * (scale.square() / (variance + EPSILON))[:, None]
        start = 0
        for segment in g.segments[node.inputs[0]]:
            size = g[segment].width
            if segment in group:
                total = total + square[:, start : start + size].sum(0)
            start += size
    return total
