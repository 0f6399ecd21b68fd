"""A network with weights and maps of eight bits, as ONNX writes it: between Q and DQ nodes.

Weights have a scale for each filter, and a map has one scale and zero point, which calibration
images tell (Jacob et al. 2018, arXiv 1712.05877; Nagel et al. 2021, arXiv 2106.08295). The nodes
QuantizeLinear (Q) and DequantizeLinear (DQ) stand around each operation that runtimes compute in
integers. A runtime that knows them computes with integers, and any other one computes the same in
float32. All numbers are int8, which most microcontrollers ask for, and all operators are those of
ONNX itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from torch import Tensor

from nasflow.deployment.map_ranges import Range, map_ranges
from nasflow.deployment.short_names import shortened

Array = npt.NDArray[Any]
PLAIN = {"MaxPool", "Pad", "Flatten"}  # operations that only move integers
INTEGER = PLAIN | {"Conv", "Gemm", "Concat", "AveragePool", "GlobalAveragePool"}
SMOOTH = 20  # the operators of 2024, the first that have GELU; onnxruntime reads them since 1.17
# Two products of an activation (up to 255) and a weight are added in 16 bits by processors with
# AVX2 but without VNNI, and 2 x 255 x 64 is the largest sum that fits. With weights up to 127 such
# a processor would cut off sums, and compute something else than all others.
LARGEST = 64
STEPS = 255  # steps between the 256 values of a map
FAR = 2**30  # the largest bias as an integer


def quantised(model: onnx.ModelProto, images: Tensor) -> onnx.ModelProto:
    """Quantise a network.

    Args:
        model: the network in float32, as `onnx_model` writes it.
        images: calibration images, a few hundred of the training images, of the type that the
            network takes, (n, channels, height, width).

    Returns:
        The network in int8, with the same input and output. The same images give the same bytes.
    """
    maps = _maps(model.graph)
    ranges = map_ranges(model, maps, images)
    graph = _Graph(model.graph, ranges)
    for node in _joined(model.graph):
        graph.write(node)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:], result.graph.initializer[:]
    result.graph.node.extend(_needed(graph.nodes))
    result.graph.initializer.extend(graph.tensors)
    if any(node.op_type == "Gelu" for node in graph.nodes):
        result.opset_import[0].version = SMOOTH
        result.ir_version = helper.find_min_ir_version_for(list(result.opset_import))
    return shortened(result)


def _joined(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """List the nodes with GELU as one node and without ReLUs.

    Where a map of integers begins at zero, Q cuts off all below it, as a ReLU does.
    """
    nodes: list[onnx.NodeProto] = []
    made: dict[str, onnx.NodeProto] = {}
    for node in graph.node:
        if node.op_type == "Relu" and made[node.input[0]].op_type == "Conv":
            made[node.input[0]].output[0] = node.output[0]
            continue
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if (source := _smoothed(copy, made)) is not None:
            while nodes[-1].op_type in ("Mul", "Add", "Tanh"):  # the other nodes of this GELU
                nodes.pop()
            copy = helper.make_node("Gelu", [source], node.output, approximate="tanh")
        nodes.append(copy)
        made |= dict.fromkeys(copy.output, copy)
    return nodes


def _smoothed(node: onnx.NodeProto, made: dict[str, onnx.NodeProto]) -> str | None:
    """Return what a GELU reads, where the node is the last one of a GELU."""
    gate, half = (made.get(name) for name in (*node.input, "")[:2])
    if node.op_type != "Mul" or gate is None or half is None or gate.op_type != "Add":
        return None
    tanh = made.get(gate.input[0])
    return half.input[0] if tanh is not None and tanh.op_type == "Tanh" else None


def _maps(graph: onnx.GraphProto) -> list[str]:
    """List the maps that become integers with a scale of their own."""
    nodes = _joined(graph)
    wanted = [node.input[0] for node in nodes if node.op_type in INTEGER]
    wanted += [name for node in nodes if node.op_type == "Concat" for name in node.input]
    wanted += [node.output[0] for node in nodes if node.op_type in INTEGER - {"Gemm"}]
    follow = {node.output[0] for node in nodes if node.op_type in PLAIN}
    return [name for name in dict.fromkeys(wanted) if name not in follow]


def _needed(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Leave out each DQ that nothing reads, because a pool reads the integers before it."""
    read = {name for node in nodes for name in node.input}
    unread = [n for n in nodes if n.op_type == "DequantizeLinear" and n.output[0] not in read]
    return [node for node in nodes if node not in unread]


class _Scale(NamedTuple):
    """The names of the scale and of the zero point of a map, and the scale as a number."""

    scale: str
    zero: str
    step: np.float32


class _Graph:
    """The network in int8 that is being written.

    Args:
        source: the network in float32.
        ranges: the ranges of the maps that become integers.
    """

    def __init__(self, source: onnx.GraphProto, ranges: dict[str, Range]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self._given = {one.name: numpy_helper.to_array(one) for one in source.initializer}
        self._names: dict[tuple[Any, ...], str] = {}
        self._ranges = ranges
        self._scales: dict[str, _Scale] = {}  # of the maps that are integers by now

    def write(self, node: onnx.NodeProto) -> None:
        """Write a node of the network in float32 as one or several nodes of the one in int8."""
        kind, (out, *_) = node.op_type, node.output
        if kind in PLAIN:
            self._move(node)
            return
        if kind in ("Conv", "Gemm"):
            inputs = [self._input(node.input[0]), *self._weights(node)]
        else:
            inputs = [self._input(name) for name in node.input]
        self._node(kind, inputs, out, node.attribute)
        if out in self._ranges:
            scale = self._scale(self._ranges[out])
            self._node("QuantizeLinear", [out, scale.scale, scale.zero], out + WHOLE)
            self._real(out, scale)

    def _input(self, name: str) -> str:
        """Return the name of an input as float32: a tensor, a map, or what DQ makes of integers."""
        if name in self._given:
            return self._tensor(self._given[name])
        return name + REAL if name in self._scales else name

    def _move(self, node: onnx.NodeProto) -> None:
        """Write an operation on integers; what Pad appends is their zero point."""
        source, out = node.input[0], node.output[0]
        inputs = [source + WHOLE, *(self._tensor(self._given[name]) for name in node.input[1:])]
        scale = self._scales[source]
        if node.op_type == "Pad":
            inputs.append(scale.zero)
        self._node(node.op_type, inputs, out + WHOLE, node.attribute)
        self._real(out, scale)

    def _real(self, name: str, scale: _Scale) -> None:
        """Write DQ behind a map of integers."""
        self._scales[name] = scale
        self._node("DequantizeLinear", [name + WHOLE, scale.scale, scale.zero], name + REAL)

    def _scale(self, range_: Range) -> _Scale:
        low, high = range_
        step = np.float32((high - low) / STEPS or 1.0)
        zero = np.uint8(np.clip(np.rint(-low / step), 0, STEPS))
        return _Scale(self._tensor(np.array(step)), self._tensor(np.array(zero)), step)

    def _weights(self, node: onnx.NodeProto) -> list[str]:
        """Write the filters and the bias of a node as integers, each behind its DQ."""
        weight, *bias = (self._given[name] for name in node.input[1:])
        step = self._scales[node.input[0]].step
        scales = filter_scales(weight, bias[0] if bias else np.zeros(len(weight)), step)
        wide = scales.reshape(-1, *(1 for _ in weight.shape[1:]))
        whole = np.clip(np.rint(weight / wide), -LARGEST, LARGEST).astype(np.int8)
        parts = [(whole, scales)]
        for one in bias:
            steps = scales * step
            parts.append((np.rint(one / steps).astype(np.int32), steps))
        zeros = node.op_type == "Gemm"  # onnxruntime has an integer Gemm for this form only
        return [self._constant(*part, zeros and i == 0) for i, part in enumerate(parts)]

    def _constant(self, whole: Array, steps: Array, zeros: bool) -> str:
        """Write a tensor of integers with its DQ, and return the name of what DQ makes of it.

        Args:
            whole: the integers.
            steps: the value of 1, for each filter.
            zeros: whether zero points stand there, which are 0 anyway.
        """
        inputs = [self._tensor(whole), self._tensor(steps)]
        if zeros:
            inputs.append(self._tensor(np.zeros(len(steps), whole.dtype)))
        name = f"constant {len(self.nodes)}"
        self._node("DequantizeLinear", inputs, name, [helper.make_attribute("axis", 0)])
        return name

    def _node(
        self, op: str, inputs: Sequence[str], out: str, attributes: Sequence[Any] = ()
    ) -> None:
        node = helper.make_node(op, inputs, [out])
        node.attribute.extend(attributes)
        self.nodes.append(node)

    def _tensor(self, values: Array) -> str:
        """Write a tensor, once for all that are equal, and return its name."""
        values = np.ascontiguousarray(values).reshape(values.shape)
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._names:
            self._names[key] = name = f"tensor {len(self._names)}"
            self.tensors.append(numpy_helper.from_array(values, name))
        return self._names[key]


WHOLE, REAL = " int8", " float32"  # what is added to the names of maps


def filter_scales(weight: Array, bias: Array, step: np.float32) -> npt.NDArray[np.float32]:
    """Choose the step between two weights for each filter.

    Args:
        weight: the filters, float32 (filters, ...).
        bias: the bias of each filter, (filters,).
        step: the step between two values of the map that the filters read.

    Returns:
        The steps, (filters,); so large that weights and bias fit their integers.
    """
    largest = np.abs(weight.reshape(len(weight), -1)).max(1) / LARGEST
    steps = np.maximum(largest, np.abs(bias) / (step * FAR))
    return np.where(steps > 0.0, steps, 1.0).astype(np.float32)
