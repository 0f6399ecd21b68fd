"""An estimate of the memory that training a network takes, and how to recognise a lack of it."""

from __future__ import annotations

import math

import torch

from nasflow.architecture.architecture import Architecture

MB = 1e6
# Copies of the parameters: the network as it was given, x, v, the gradient, the average of x.
COPIES = 5
# Words of a RuntimeError that is raised where memory runs out. They come from the allocators of
# torch, from oneDNN and from the C library (torch 2.14, Linux).
SAYINGS = (
    "out of memory",
    "can't allocate memory",
    "could not create a primitive",
    "can't start new thread",
)


def activations(g: Architecture) -> int:
    """Count the numbers that a training step keeps for one image.

    They are the outputs of each convolution before and after BatchNorm and activation, and the
    output of each other node. Where a pool is the only reader of a convolution with ReLU, a quarter
    of the output after ReLU counts, because both are computed together.
    """
    total = 0
    for node in g.nodes:
        size = math.prod(g.shapes[node.id])
        total += size + (size // (4 if node.id in g.pooled else 1) if node.op == "conv" else 0)
    return total


def megabytes(g: Architecture, batch_size: int) -> float:
    """Estimate the memory of a training step in float32.

    The estimate depends only on the arguments. A bound on it therefore leads to the same children
    on every machine.

    Args:
        g: the architecture of the network.
        batch_size: images per batch.

    Returns:
        The memory in MB (10^6 bytes).
    """
    return 4.0 * (COPIES * g.parameters + batch_size * activations(g)) / MB


def exhausted(error: BaseException) -> bool:
    """Return whether an error means that memory ran out.

    On the CPU most of these errors are plain RuntimeErrors, which only their text tells apart.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(saying in text for saying in SAYINGS)
