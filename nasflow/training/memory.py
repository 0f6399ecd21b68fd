"""An estimate of the memory that training a network takes, and how to recognise a lack of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import torch

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node

MB = 1e6
# Copies of the parameters in float32: the network as it was given, x, v, the gradient, the average
# of x. With bfloat16 each step makes one more copy in bfloat16.
COPIES = 5
# What a max pool of torch's own operations keeps for each number of its output: an int64 that says
# where in the window the maximum was.
PLACE = 8
# Words of a RuntimeError that is raised where memory runs out. The first four come from the
# allocators of torch, from oneDNN and from the C library (torch 2.14, Linux). The others come from
# a GPU: CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED and, from cuDNN 9,
# CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED (and HOST). cuBLAS says NOT_INITIALIZED where
# there is too little memory for its handle
# (https://discuss.pytorch.org/t/cuda-error-cublas-status-not-initialized-when-calling-cublascreate-handle/125450).
# cuDNN finds no engine where there is no memory for the workspace of any: torch tries one after the
# other. Each of these sentences can also have another cause, so that messages repeat it.
SAYINGS = (
    "out of memory",
    "can't allocate memory",
    "could not create a primitive",
    "can't start new thread",
    "_alloc_failed",
    "allocation_failed",
    "cublas_status_not_initialized",
    "unable to find an engine",
)
OF_GPUS = re.compile(r"cuda|cublas|cudnn|engine", re.IGNORECASE)
# Where the first sentences of torch's message end, which say how much was wanted and is free.
FREE = re.compile(r".*?\bis free\.", re.DOTALL)


def kept(g: Architecture, *, half: bool = False, fused: bool = False) -> int:
    """Count the bytes that a training step keeps for one image until its backward pass.

    Args:
        g: the architecture.
        half: whether maps are bfloat16, and not float32.
        fused: whether the kernels for a CPU compute (room `kernels`), and not torch's own
            operations, as on a GPU. The kernels keep the output of a convolution and, where GELU
            and a pool follow, its numbers at the maxima. torch keeps it, the output of BatchNorm
            and, for a pool, what GELU gives and the places of the maxima.
    """
    width, names, trained = 2 if half else 4, set[int](), set[int]()
    found = 0
    for node in g.nodes:
        sources = set(node.inputs)
        if node.op in ("conv", "add") or sources & trained:
            trained.add(node.id)
            found += _own(g, node, width, fused)
            names |= _read(g, node)
            if node.op == "conv" and not (fused or node.smooth or node.id in g.pooled):
                names.add(node.id)  # ReLU keeps its result
    return found + width * sum(math.prod(g.shapes[name]) for name in names)


def _own(g: Architecture, node: Node, width: int, fused: bool) -> int:
    """Count the bytes that one node keeps beside the inputs and outputs of nodes."""
    size, pool = math.prod(g.shapes[node.id]), g.pooled.get(node.id)
    if node.op == "conv":
        found = width * size
        if node.kernel % 2 == 0:  # a copy of the input with a border
            channels, high, wide = g.shapes[node.inputs[0]]
            found += width * channels * (high + node.kernel - 1) * (wide + node.kernel - 1)
        if not fused and (node.smooth or pool is not None):  # what BatchNorm gives
            found += width * size
        if pool is not None:
            places = math.prod(g.shapes[pool])
            if fused:
                found += width * places * node.smooth
            else:
                found += PLACE * places + width * size * node.smooth
        return found
    if node.op == "flat_head" and not _one_pixel(g, node):  # in the order channels, rows, columns
        return width * math.prod(g.shapes[node.inputs[0]])
    alone = node.op == "pool" and node.inputs[0] not in g.pooled
    return PLACE * size if alone and not fused else 0


def _read(g: Architecture, node: Node) -> set[int]:
    """Return the nodes whose outputs a node keeps; a convolution gives what its pool gives."""
    as_it_is = {
        "conv": node.kernel % 2 == 1,
        "pool": not set(node.inputs) & set(g.pooled),
        "flat_head": node.op == "flat_head" and _one_pixel(g, node),
    }
    reads = as_it_is.get(node.op, node.op in ("add", "mean_pool", "peak_head"))
    return set(node.inputs) if reads else set()


def _one_pixel(g: Architecture, node: Node) -> bool:
    """Return whether the map that a node reads has one pixel for each channel."""
    return g.shapes[node.inputs[0]][1:] == (1, 1)


def megabytes(g: Architecture, batch_size: int, *, half: bool = False) -> float:
    """Estimate the memory of a training step with torch's own operations, as on a GPU.

    On a CPU the kernels need less, at most as much as this. The estimate depends only on the
    arguments, and none of them says which device there is: `device` is no part of an experiment,
    so that a bound on this number leads to the same children on every machine, and it holds on
    each.

    Args:
        g: the architecture of the network.
        batch_size: images per batch.
        half: whether the network computes in bfloat16.

    Returns:
        The memory in MB (10^6 bytes).
    """
    copies = 4.0 * COPIES + (2.0 if half else 0.0)
    return (copies * g.parameters + batch_size * kept(g, half=half)) / MB


def exhausted(error: BaseException) -> bool:
    """Return whether an error means that memory ran out.

    Most of these errors are plain RuntimeErrors, which only their text tells apart. An error counts
    too if it was raised because of such an error or while one was handled: where memory runs out in
    the capture of a CUDA graph, the end of the capture raises an error of its own.
    """
    return shortage(error) is not None


def shortage(error: BaseException) -> tuple[bool, str] | None:
    """Tell where memory ran out, and what was said about it.

    Returns:
        Whether it was the memory of a GPU, and the first words of the message, one line. None for
        an error that does not mean that memory ran out.
    """
    for one in chain(error):
        text = str(one)
        known = isinstance(one, MemoryError | torch.OutOfMemoryError)
        if known or (isinstance(one, RuntimeError) and any(s in text.lower() for s in SAYINGS)):
            first = match[0] if (match := FREE.match(text)) else text
            words = " ".join((first.splitlines() or [""])[0].split())
            return bool(OF_GPUS.search(text)), words or "no memory left"
    return None


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and those that it was raised from, or while it was handled."""
    seen, next_one = set[int](), [error]
    while next_one:
        one = next_one.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            next_one += [other for other in (one.__context__, one.__cause__) if other is not None]
