"""A trained network as a torch module that can leave nasflow: plain layers, normalisation inside.

The module takes images that are not normalised yet, unlike `network.forward`: (n, channels, height,
width), uint8, or float32 on the scale 0..1. Its layers are torch's own under readable names, so
that torch.export, the writer of ONNX and generated code (`nasflow export`) all start from the same
module and the same state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nasflow.architecture.node import FILTERING, HEADS, Node
from nasflow.kernels.batch_norm import EPSILON, MOMENTUM
from nasflow.network.float32 import traceable
from nasflow.network.network import Network

BATCH = {"images": {0: torch.export.Dim("batch")}}


class Deployable(nn.Module):
    """A module that gives the logits of images, (n, classes), or their probabilities.

    The module is in eval mode and on the CPU, and it shares no memory with the network.

    Args:
        network: the trained network.
        facts: what data.json says about the images: `channels`, `height`, `width`, `classes` (the
            names), and `mean` and `std` (one number for each channel, on the scale 0..1).
        probabilities: True applies softmax to the logits.

    Raises:
        ValueError: if the facts do not fit the network.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: Network, facts: Mapping[str, Any], *, probabilities: bool = True
    ) -> None:
        super().__init__()
        g = network.architecture
        check_fits(network, facts)
        self.architecture, self.probabilities = g, probabilities
        self.classes = tuple(map(str, facts["classes"]))
        for name in ("mean", "std"):
            moment = torch.tensor(facts[name], dtype=torch.float32)
            self.register_buffer(name, moment[:, None, None])
        for node in g.nodes:
            if (layer := _layer(node, [g.shapes[i] for i in node.inputs])) is not None:
                self.add_module(node.name, layer)
        self.load_state_dict(_state(network) | {"mean": self.mean, "std": self.std})
        self.eval()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images."""
        return self.architecture.shapes[self.architecture.image.id]

    def forward(self, images: Tensor) -> Tensor:
        g = self.architecture
        if images.dtype == torch.uint8:
            images = images.float() / 255.0
        outputs = {g.image.id: (images - self.mean) / self.std}
        for node in g.nodes[1:]:
            inputs = [outputs[i] for i in node.inputs]
            outputs[node.id] = self._apply_node(node, inputs)
        logits = outputs[g.head.id]
        return logits.softmax(1) if self.probabilities else logits

    def example(self, count: int = 2, *, integers: bool = False, seed: int = 0) -> Tensor:
        """Draw random images that the module accepts.

        Args:
            count: the number of images.
            integers: True gives uint8, False float32 on the scale 0..1.
            seed: the seed of the draw.

        Returns:
            Images, (count, channels, height, width).
        """
        shape = (count, *self.shape)
        draw = torch.Generator().manual_seed(seed)
        whole = torch.randint(0, 256, shape, generator=draw, dtype=torch.uint8)
        return whole if integers else whole.float() / 255.0

    def _apply_node(self, node: Node, inputs: list[Tensor]) -> Tensor:
        if node.op == "pool":
            return nn.functional.max_pool2d(inputs[0], 2)
        if node.op == "mean_pool":
            return _mean_pool(inputs[0])
        if node.op == "pad":
            more = node.width - inputs[0].shape[1]
            return nn.functional.pad(inputs[0], (0, 0, 0, 0, 0, more))
        if node.op == "concat":
            return torch.cat(inputs, 1)
        result: Tensor = getattr(self, node.name)(*inputs)
        return result


def traced(module: Deployable, like: Tensor) -> torch.export.ExportedProgram:
    """Export the module by torch.export; the result takes any number of images.

    Args:
        module: the module.
        like: images of the type and size that the exported module shall take.

    Returns:
        The exported program.
    """
    with traceable(), torch.no_grad():
        return torch.export.export(module, (like,), dynamic_shapes=BATCH)


class Mix(nn.Module):
    """Computes mix * first + (1 - mix) * second, with one learned mix for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return self.mix * first + (1.0 - self.mix) * second


def _mean_pool(maps: Tensor) -> Tensor:
    """Sum 2 x 2 windows and divide by 4; ONNX has no mean of windows with such a fixed divisor."""
    height, width = maps.shape[2:]
    return nn.functional.avg_pool2d(nn.functional.pad(maps, (0, width % 2, 0, height % 2)), 2)


def check_fits(network: Network, facts: Mapping[str, Any]) -> None:
    """Raise ValueError unless channels, height, width and classes are those of the network."""
    g = network.architecture
    wanted = (g.image.width, *g.size, g.head.width)
    found = (facts["channels"], facts["height"], facts["width"], len(facts["classes"]))
    if wanted != found:
        raise ValueError(
            f"the network takes (channels, height, width), classes {wanted}; "
            f"the data has {found}; give the data.json that it was trained on"
        )


def _layer(node: Node, inputs: list[tuple[int, int, int]]) -> nn.Module | None:
    """Return the layer of a node, or None where nothing is learned."""
    if node.op in FILTERING:
        padding: Any = node.kernel // 2 if node.kernel % 2 else "same"
        filters = nn.Conv2d(inputs[0][0], node.width, node.kernel, node.stride, padding, bias=False)
        activation = nn.GELU("tanh") if node.smooth else nn.ReLU()
        if node.op == "whiten":
            return nn.Sequential(filters, activation)
        norm = nn.BatchNorm2d(node.width, eps=EPSILON, momentum=MOMENTUM)
        return nn.Sequential(filters, norm, activation)
    if node.op == "add":
        return Mix(inputs[0][0])
    if node.op == "head":
        channels = inputs[0][0]
        pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(*pooled, nn.Linear(channels, node.width))
    if node.op == "peak_head":
        peaks = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())
        return nn.Sequential(*peaks, nn.Linear(inputs[0][0], node.width))
    if node.op == "flat_head":
        channels, height, width = inputs[0]
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, node.width))
    return None


def _state(network: Network) -> dict[str, Tensor]:
    """Return the network's tensors under the names of the module."""
    g, x, buffers, _ = network
    state: dict[str, Tensor] = {}
    for node in g.nodes:
        name, own = node.name, node.id
        if node.op == "conv":
            state |= {
                f"{name}.0.weight": x[f"{own}.weight"],
                f"{name}.1.weight": x[f"{own}.scale"],
                f"{name}.1.bias": x[f"{own}.shift"],
                f"{name}.1.running_mean": buffers[f"{own}.mean"],
                f"{name}.1.running_var": buffers[f"{own}.variance"],
                f"{name}.1.num_batches_tracked": torch.tensor(0),
            }
        elif node.op == "add":
            state[f"{name}.mix"] = x[f"{own}.mix"][:, None, None]
        elif node.op == "whiten":
            state[f"{name}.0.weight"] = buffers[f"{own}.filters"]
        elif node.op in HEADS:
            last = 1 if node.op == "flat_head" else 2
            state[f"{name}.{last}.weight"] = x[f"{own}.weight"].flatten(1)
            state[f"{name}.{last}.bias"] = x[f"{own}.bias"]
    return state
