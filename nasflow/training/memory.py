"""Memory: what training a network takes, by estimate, and errors that say there is none left."""

from __future__ import annotations

import math

import torch

from nasflow.architecture.architecture import Architecture

MB = 1e6
COPIES = 5  # as it was given, x, v, gradient, average of x
# What a RuntimeError says of it: torch's allocators, oneDNN and the C library (torch 2.14, Linux).
SAYINGS = (
    "out of memory",
    "can't allocate memory",
    "could not create a primitive",
    "can't start new thread",
)


def activations(g: Architecture) -> int:
    """Numbers that a training step keeps for one image: the output of every convolution before and
    after BatchNorm and ReLU (a quarter of the latter where a pool follows at once), and of every
    other node."""
    total = 0
    for node in g.nodes:
        size = math.prod(g.shapes[node.id])
        total += size + (size // (4 if node.id in g.pooled else 1) if node.op == "conv" else 0)
    return total


def megabytes(g: Architecture, batch_size: int) -> float:
    """MB of a training step on batches of that size, in float32: a function of its arguments, so
    that a bound on it gives the same children on every machine."""
    return 4.0 * (COPIES * g.parameters + batch_size * activations(g)) / MB


def exhausted(error: BaseException) -> bool:
    """Whether an error says that memory ran out. On the CPU most are plain RuntimeErrors."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(saying in text for saying in SAYINGS)
