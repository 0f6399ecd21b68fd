"""A network as a torch module, and a torch module of your own as a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node
from nasflow.kernels.batch_norm import EPSILON
from nasflow.network.network import Network, Tensors, forward

LAYERS = "Conv2d - BatchNorm2d - ReLU, MaxPool2d(2), and at the end AdaptiveAvgPool2d(1), Linear"


class Module(nn.Module):
    """A torch module that computes a network with torch's own operations.

    It takes normalised images, (batch, channels, height, width), and gives logits, (batch,
    classes). It holds copies of the network's tensors. torch allows no dots in names, so that the
    tensor `3.weight` is called `3_weight` here.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.architecture = network.architecture
        for name, t in network.x.items():
            self.register_parameter(name.replace(".", "_"), nn.Parameter(t.detach().clone()))
        for name, t in network.buffers.items():
            self.register_buffer(name.replace(".", "_"), t.detach().clone())

    def forward(self, images: Tensor) -> Tensor:
        x, buffers = (
            self._tensors(self.architecture.tensors),
            self._tensors(self.architecture.buffers),
        )
        g = self.architecture
        return forward(g, x, buffers, images, training=self.training, fused=False)

    def network(self) -> Network:
        """Copy the module's present tensors into a network whose velocities are zero."""
        g = self.architecture
        x, buffers = (
            {name: t.detach().clone() for name, t in self._tensors(names).items()}
            for names in (g.tensors, g.buffers)
        )
        return Network(g, x, buffers, {name: torch.zeros_like(t) for name, t in x.items()})

    def _tensors(self, names: dict[str, tuple[int, ...]]) -> Tensors:
        return {name: cast(Tensor, getattr(self, name.replace(".", "_"))) for name in names}


def from_torch(module: nn.Sequential, size: tuple[int, int]) -> Network:
    """Make a network that computes the same function as a torch module.

    The bias of a convolution goes into the running mean, because BatchNorm subtracts it in both
    modes. For a module with other layers, build the `Architecture` by hand.

    Args:
        module: a sequence (sequences inside of it are flattened) of Conv2d - BatchNorm2d - ReLU
            with stride 1 and same padding, and MaxPool2d(2); at the end AdaptiveAvgPool2d(1) -
            Flatten - Linear, or Flatten - Linear.
        size: (height, width) of the images.

    Returns:
        The network, with copies of the module's tensors and all velocities zero.

    Raises:
        ValueError: if the module has another layer, or a layer with other options.
    """
    layers = list(_flattened(module))
    first = next((layer for layer in layers if isinstance(layer, nn.Conv2d)), None)
    if first is None:
        raise ValueError(f"from_torch: no Conv2d; expected {LAYERS}")
    nodes, x, buffers = [Node(0, "image", (), first.in_channels)], Tensors(), Tensors()
    averaged = False
    while layers:
        layer, here = layers.pop(0), len(nodes)
        if _leads_to_the_head(layer, layers):
            averaged |= isinstance(layer, nn.AdaptiveAvgPool2d)
            continue
        if isinstance(layer, nn.Linear) and not layers:
            (node, own), running = _head(layer, nodes, size, averaged), Tensors()
        else:
            node, own, running = _layer(layer, here, layers)
        nodes.append(node)
        x |= {f"{here}.{name}": t.detach().clone() for name, t in own.items()}
        buffers |= {f"{here}.{name}": t for name, t in running.items()}
    g = Architecture(tuple(nodes), size)
    return Network(g, x, buffers, {name: torch.zeros_like(t) for name, t in x.items()})


def _leads_to_the_head(layer: nn.Module, behind: list[nn.Module]) -> bool:
    """Return whether a layer only brings the last map into the form that the last Linear reads."""
    if isinstance(layer, nn.Flatten):
        whole = (layer.start_dim, layer.end_dim) == (1, -1)
        return whole and [type(other) for other in behind] == [nn.Linear]
    if isinstance(layer, nn.AdaptiveAvgPool2d) and layer.output_size in (1, (1, 1)):
        return [type(other) for other in behind] == [nn.Flatten, nn.Linear]
    return False


def _flattened(module: nn.Module) -> Iterator[nn.Module]:
    for layer in module.children():
        if isinstance(layer, nn.Sequential):
            yield from _flattened(layer)
        else:
            yield layer


def _layer(layer: nn.Module, here: int, behind: list[nn.Module]) -> tuple[Node, Tensors, Tensors]:
    """Return node `here`, a convolution or a pool, its learned tensors and running statistics.

    A convolution takes its BatchNorm and its ReLU from the layers behind it.
    """
    if isinstance(layer, nn.Conv2d):
        own, running = _convolution(layer, behind.pop(0) if behind else None)
        if not behind or not isinstance(behind.pop(0), nn.ReLU):
            raise ValueError(f"from_torch: no ReLU behind {layer}; expected {LAYERS}")
        node = Node(here, "conv", (here - 1,), layer.out_channels, layer.kernel_size[0])
        return node, own, running
    if isinstance(layer, nn.MaxPool2d) and _halves(layer):
        return Node(here, "pool", (here - 1,)), {}, {}
    raise ValueError(f"from_torch: {layer}; expected {LAYERS}")


def _convolution(conv: nn.Conv2d, norm: nn.Module | None) -> tuple[Tensors, Tensors]:
    """Return the learned tensors and running statistics of a convolution with its BatchNorm."""
    kernel, padding = conv.kernel_size[0], conv.padding
    same = padding == "same" or _pair(padding) == (kernel // 2, kernel // 2)
    square = conv.kernel_size == (kernel, kernel) and kernel % 2
    plain = conv.groups == 1 and conv.padding_mode == "zeros"
    if not (square and same and plain and {*conv.stride, *conv.dilation} == {1}):
        raise ValueError(
            f"from_torch: {conv}; expected an odd square kernel, stride 1 and same padding with "
            "zeros"
        )
    if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or not norm.affine:
        raise ValueError(f"from_torch: {norm} behind {conv}; expected {LAYERS}")
    if norm.eps != EPSILON:
        raise ValueError(f"from_torch: BatchNorm2d(eps={norm.eps}); expected {EPSILON}")
    assert norm.running_var is not None
    bias = 0.0 if conv.bias is None else conv.bias.detach()
    learned = {"weight": conv.weight, "scale": norm.weight, "shift": norm.bias}
    running = {"mean": norm.running_mean - bias, "variance": norm.running_var.clone()}
    return learned, running


def _head(
    linear: nn.Linear, nodes: list[Node], size: tuple[int, int], averaged: bool
) -> tuple[Node, Tensors]:
    """Return the last layer; it reads the mean of each map if `averaged`, else the whole map."""
    channels = next(n.width for n in reversed(nodes) if n.width)
    halvings = 2 ** sum(n.op == "pool" for n in nodes)
    shape = (channels,) if averaged else (channels, size[0] // halvings, size[1] // halvings)
    if linear.in_features != torch.Size(shape).numel() or linear.bias is None:
        raise ValueError(
            f"from_torch: {linear}; the map before it has {shape}, and it needs a bias"
        )
    op = "head" if averaged else "flat_head"
    node = Node(len(nodes), op, (len(nodes) - 1,), linear.out_features)
    weight = linear.weight.reshape(linear.out_features, *shape)
    return node, {"weight": weight, "bias": linear.bias}


def _halves(pool: nn.MaxPool2d) -> bool:
    numbers = (_pair(pool.kernel_size), _pair(pool.stride), _pair(pool.padding))
    plain = _pair(pool.dilation) == (1, 1) and not pool.return_indices and not pool.ceil_mode
    return numbers == ((2, 2), (2, 2), (0, 0)) and plain


def _pair(value: object) -> tuple[object, object]:
    return value if isinstance(value, tuple) else (value, value)
