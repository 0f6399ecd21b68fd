"""A network as a message of ONNX, the format that most runtimes on boards and servers read.

The message is written node by node, as the architecture lists them. BatchNorm is folded into the
convolution before it, and tensors are called as the nodes of the architecture are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nasflow.architecture.node import FILTERING, Node
from nasflow.deployment.deployable import Deployable

# The operators of 2023, which all layers of a network can be written in: onnxruntime reads them
# since 1.14, together with version 8 of the format (IR).
OPSET = 18
INPUT = "images"
GELU = (0.044715, float(np.sqrt(2.0 / np.pi)), 1.0, 0.5)  # the constants of the tanh form


def onnx_model(module: Deployable, *, integers: bool = False) -> onnx.ModelProto:
    """Write a network with its normalisation as a message of ONNX.

    Args:
        module: the network.
        integers: whether the input is uint8, and not float32 on the scale 0..1.

    Returns:
        The message. Its input is `images`, (batch, channels, height, width) with any batch; its
        output is `probabilities` or `logits`, (batch, classes).
    """
    parts, g = _Parts([], []), module.architecture
    names = {g.image.id: _normalised(parts, module, integers)}
    for node in g.nodes[1:]:  # the head is the last one
        names[node.id] = _write(parts, module, node, [names[i] for i in node.inputs])
    output = "logits"
    if module.probabilities:
        output = parts.node("Softmax", [output], "probabilities", axis=1)
    dtype = TensorProto.UINT8 if integers else TensorProto.FLOAT
    shape: list[str | int | None] = ["batch", *g.shapes[g.image.id]]
    graph = helper.make_graph(
        parts.nodes,
        "nasflow",
        [helper.make_tensor_value_info(INPUT, dtype, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", g.head.width])],
        parts.tensors,
    )
    opset = helper.make_opsetid("", OPSET)
    version = helper.find_min_ir_version_for([opset])
    return helper.make_model(graph, opset_imports=[opset], ir_version=version)


class _Parts(NamedTuple):
    """The nodes and the tensors of a message that is being written."""

    nodes: list[onnx.NodeProto]
    tensors: list[onnx.TensorProto]

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def tensor(self, name: str, values: Tensor | np.ndarray[Any, Any]) -> str:
        array = values.detach().numpy() if isinstance(values, Tensor) else values
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def _normalised(parts: _Parts, module: Deployable, integers: bool) -> str:
    """Write the normalisation of the images; uint8 becomes float32 first, on the scale 0..255."""
    scale, source = (255.0, "image_float") if integers else (1.0, INPUT)
    if integers:
        parts.node("Cast", [INPUT], source, to=TensorProto.FLOAT)
    mean = parts.tensor("mean", module.mean[None] * scale)
    std = parts.tensor("std", module.std[None] * scale)
    return parts.node("Div", [parts.node("Sub", [source, mean], "centred"), std], "image")


def _write(parts: _Parts, module: Deployable, node: Node, inputs: list[str]) -> str:
    """Write one node of the architecture, and return the name of its output."""
    name = node.name
    if node.op in FILTERING:
        return _convolution(parts, getattr(module, name), node, inputs[0])
    if node.op == "pool":
        return parts.node("MaxPool", inputs, name, kernel_shape=[2, 2], strides=[2, 2])
    if node.op == "mean_pool":
        return _mean_pool(parts, module, node, inputs[0])
    if node.op == "pad":
        more = node.width - module.architecture.shapes[node.inputs[0]][0]
        amounts = np.array([0, 0, 0, 0, 0, more, 0, 0])
        return parts.node("Pad", [*inputs, parts.tensor(f"{name}.pads", amounts)], name)
    if node.op == "concat":
        return parts.node("Concat", inputs, name, axis=1)
    if node.op == "add":
        mix = getattr(module, name).mix
        first = parts.node("Mul", [inputs[0], parts.tensor(f"{name}.a", mix)], f"{name}.first")
        second = parts.node(
            "Mul", [inputs[1], parts.tensor(f"{name}.b", 1.0 - mix)], f"{name}.second"
        )
        return parts.node("Add", [first, second], name)
    return _head(parts, getattr(module, name), node, inputs[0])


def _convolution(parts: _Parts, layers: nn.Sequential, node: Node, source: str) -> str:
    """Write a convolution with its activation, BatchNorm folded in."""
    name, filters = node.name, layers[0]
    assert isinstance(filters, nn.Conv2d)
    if node.op == "conv":
        assert isinstance(layers[1], nn.BatchNorm2d)
        filters = fuse_conv_bn_eval(filters, layers[1])
    weights = [parts.tensor(f"{name}.w", filters.weight)]
    if filters.bias is not None:
        weights.append(parts.tensor(f"{name}.b", filters.bias))
    before, after = (node.kernel - 1) // 2, node.kernel // 2
    sizes = {"kernel_shape": [node.kernel, node.kernel]}
    if node.stride > 1:
        sizes["strides"] = [node.stride, node.stride]
    if node.kernel > 1:
        sizes["pads"] = [before, before, after, after]
    result = parts.node("Conv", [source, *weights], f"{name}.sum", **sizes)
    return _gelu(parts, result, name) if node.smooth else parts.node("Relu", [result], name)


def _gelu(parts: _Parts, x: str, name: str) -> str:
    """Write x / 2 (1 + tanh(sqrt(2 / pi) x (1 + 0.044715 x^2))); ONNX has GELU since opset 20.

    onnxruntime knows the nodes in this order, and computes them as one operation (FastGelu).
    """
    if not any(tensor.name == "gelu.cube" for tensor in parts.tensors):
        for key, value in zip(("cube", "scale", "one", "half"), GELU, strict=True):
            parts.tensor(f"gelu.{key}", np.array(value, dtype=np.float32))
    cubic = parts.node("Mul", [x, "gelu.cube"], f"{name}.1")
    square = parts.node("Mul", [cubic, x], f"{name}.2")
    factor = parts.node("Add", [square, "gelu.one"], f"{name}.3")
    linear = parts.node("Mul", [x, "gelu.scale"], f"{name}.4")
    inner = parts.node("Mul", [factor, linear], f"{name}.5")
    gate = parts.node("Tanh", [inner], f"{name}.6")
    gate = parts.node("Add", [gate, "gelu.one"], f"{name}.7")
    half = parts.node("Mul", [x, "gelu.half"], f"{name}.8")
    return parts.node("Mul", [gate, half], name)


def _mean_pool(parts: _Parts, module: Deployable, node: Node, source: str) -> str:
    """Write the sums of 2 x 2 windows divided by 4, zeros behind a map with odd sides."""
    height, width = module.architecture.shapes[node.inputs[0]][1:]
    if height % 2 or width % 2:
        amounts = np.array([0, 0, 0, 0, 0, 0, height % 2, width % 2])
        pads = parts.tensor(f"{node.name}.pads", amounts)
        source = parts.node("Pad", [source, pads], f"{node.name}.even")
    return parts.node("AveragePool", [source], node.name, kernel_shape=[2, 2], strides=[2, 2])


def _head(parts: _Parts, layers: nn.Sequential, node: Node, source: str) -> str:
    """Write the pooling of a head and its linear layer."""
    pooling = {"head": "GlobalAveragePool", "peak_head": "GlobalMaxPool"}
    if node.op in pooling:
        source = parts.node(pooling[node.op], [source], "pooled")
    flat = parts.node("Flatten", [source], "features", axis=1)
    linear = layers[-1]
    assert isinstance(linear, nn.Linear)
    weights = [parts.tensor("head.w", linear.weight), parts.tensor("head.b", linear.bias)]
    return parts.node("Gemm", [flat, *weights], "logits", transB=1)
