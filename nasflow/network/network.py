"""A network (g, x, v): an architecture g with its parameters x and their velocities v.

A network also holds the running statistics of its BatchNorms. All tensors stand in dictionaries
under names like `3.weight`: the id of the node, a dot, and the name of the tensor. `forward` is a
function of these dictionaries and keeps nothing between calls; in training it updates the running
statistics in place. So a network needs no module object to be trained, copied, morphed or saved.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node
from nasflow.kernels.batch_norm import Norm, activated, plain
from nasflow.kernels.global_average import global_average
from nasflow.kernels.max_pool import max_pool
from nasflow.kernels.mixing import mixed, plain_mixed

Tensors = dict[str, Tensor]


class Network(NamedTuple):
    """An architecture with weights.

    Attributes:
        architecture: the graph of layers.
        x: the learned tensors, with the names and shapes of `architecture.tensors`.
        buffers: the running means and variances of all BatchNorms, with the names and shapes of
            `architecture.buffers`.
        v: the velocities, which the update rule keeps from step to step, named like x.
    """

    architecture: Architecture
    x: Tensors
    buffers: Tensors
    v: Tensors

    def to(self, device: str | torch.device) -> Network:
        """Copy the network to a device; the copy shares no memory with this network."""
        parts = ({k: t.to(device, copy=True) for k, t in d.items()} for d in self[1:])
        return Network(self.architecture, *parts)


def initialise(g: Architecture, rng: np.random.Generator) -> Network:
    """Make a network with random weights, on the CPU, in float32.

    Convolutions are Kaiming-normal, BatchNorms are the identity, and every mix is 1. The weights of
    the head are uniform in +-1/sqrt(fan in), and its bias is zero. Those of a head that reads n
    maxima are n times as small, so that all classes are about equally likely at first, as in
    airbench94. The velocities are zero. The filters of a whiten are zero until
    `whitening.whitened` sets them.
    """
    x: Tensors = {}
    peaks = g.head.op == "peak_head"
    for name, shape in g.tensors.items():
        kind = name.split(".")[1]
        if kind == "weight":
            fan_in = int(np.prod(shape[1:]))
            conv = g[int(name.split(".")[0])].op == "conv"
            bound = np.sqrt(2.0 / fan_in) if conv else 1.0 / np.sqrt(fan_in)
            if peaks and not conv:
                bound /= fan_in
            draw = rng.standard_normal(shape) if conv else rng.uniform(-1, 1, shape)
            x[name] = torch.tensor(draw * bound, dtype=torch.float32)
        else:
            x[name] = torch.ones(shape) if kind in ("scale", "mix") else torch.zeros(shape)
    buffers = {
        name: torch.ones(shape) if name.endswith("variance") else torch.zeros(shape)
        for name, shape in g.buffers.items()
    }
    return Network(g, x, buffers, {name: torch.zeros_like(t) for name, t in x.items()})


def forward(
    g: Architecture,
    x: Tensors,
    buffers: Tensors,
    images: Tensor,
    *,
    training: bool,
    fused: bool = True,
) -> Tensor:
    """Compute the logits of images.

    A pool that is the only reader of a convolution is computed together with it.

    Args:
        g: the architecture.
        x: the learned tensors, as in `Network.x`.
        buffers: the running statistics, as in `Network.buffers`.
        images: normalised images, (batch, channels, height, width).
        training: True normalises by the moments of the batch, and moves the running statistics
            towards them at the rate MOMENTUM, in place. False normalises by the running statistics.
        fused: True uses the fast kernels where they exist; False uses torch's own operations only,
            which tests and benchmarks compare with.

    Returns:
        The logits, (batch, classes).
    """
    operation = activated if fused else plain
    outputs: dict[int, Tensor] = {g.image.id: images}
    for node in g.nodes[1:]:
        inputs = [outputs[i] for i in node.inputs]
        if node.op == "conv":
            z, norm = _conv(node, inputs[0], x, buffers)
            pool = node.id in g.pooled
            outputs[node.id] = operation(z, norm, training=training, pool=pool, smooth=node.smooth)
        elif node.op == "whiten":
            z = _filtered(node, inputs[0], buffers[f"{node.id}.filters"])
            outputs[node.id] = F.gelu(z, approximate="tanh") if node.smooth else F.relu(z)
        elif g.pooled.get(node.inputs[0]) == node.id:
            outputs[node.id] = inputs[0]
        else:
            outputs[node.id] = _apply(node, inputs, x, fused)
    return outputs[g.head.id]


def _conv(node: Node, source: Tensor, x: Tensors, buffers: Tensors) -> tuple[Tensor, Norm]:
    z = _filtered(node, source, x[f"{node.id}.weight"])
    learned = (x[f"{node.id}.{name}"] for name in ("scale", "shift"))
    running = (buffers[f"{node.id}.{name}"] for name in ("mean", "variance"))
    return z, Norm(*learned, *running)


def _filtered(node: Node, source: Tensor, filters: Tensor) -> Tensor:
    """Convolve with same padding; an even kernel has one more row and column behind than before."""
    before, odd = node.kernel // 2, node.kernel % 2
    if not odd:
        source = F.pad(source, (before - 1, before, before - 1, before))
    return F.conv2d(source, filters, stride=node.stride, padding=before if odd else 0)


def _apply(node: Node, inputs: list[Tensor], x: Tensors, fused: bool) -> Tensor:
    if node.op == "pool":
        return max_pool(inputs[0]) if fused else F.max_pool2d(inputs[0], 2)
    if node.op == "mean_pool":
        return F.avg_pool2d(inputs[0], 2, ceil_mode=True, divisor_override=4)
    if node.op == "pad":
        return F.pad(inputs[0], (0, 0, 0, 0, 0, node.width - inputs[0].shape[1]))
    if node.op == "concat":
        return torch.cat(inputs, dim=1)
    if node.op == "add":
        first, second, mix = *inputs, x[f"{node.id}.mix"]
        return (mixed if fused else plain_mixed)(first, second, mix)
    if node.op == "head":
        read = global_average(inputs[0]) if fused else inputs[0].mean((2, 3))
    elif node.op == "peak_head":
        read = inputs[0].amax((2, 3))
    else:
        read = inputs[0].flatten(1)
    return F.linear(read, x[f"{node.id}.weight"].flatten(1), x[f"{node.id}.bias"])


EVERY_KERNEL = Architecture(
    (
        Node(0, "image", (), 1),
        Node(1, "conv", (0,), 2, 3),
        Node(2, "pool", (1,)),
        Node(3, "conv", (2,), 2, 3),
        Node(4, "add", (3, 2)),
        Node(5, "pool", (4,)),
        Node(6, "conv", (5,), 2, 3, activation="gelu"),
        Node(7, "pool", (6,)),
        Node(8, "conv", (7,), 2, 3, activation="gelu"),
        Node(9, "head", (8,), 2),
    ),
    (8, 8),
)


def compile_kernels() -> None:
    """Compile all kernels that training and evaluation use on a CPU, in float32 and bfloat16.

    Compiled kernels are kept on disk. So the first call on a machine takes about 12 s, and later
    calls take half a second. It is called before anything is timed.
    """
    g, x, buffers, _ = initialise(EVERY_KERNEL, np.random.default_rng(0))
    weights = [t.requires_grad_() for t in x.values()]
    for half, training in itertools.product((False, True), (True, False)):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = forward(g, x, buffers, torch.ones(2, 1, 8, 8), training=training)
        torch.autograd.grad(logits.sum(), weights)


def at_rest(network: Network) -> Network:
    """Return the network with all velocities zero; it shares the other tensors."""
    return network._replace(v={name: torch.zeros_like(t) for name, t in network.v.items()})
