"""A network with weights and maps of eight bits, by the static quantisation of onnxruntime.

Weights have a scale of their own for each filter, and a map has one scale, which calibration images
tell (Jacob et al. 2018, arXiv 1712.05877; Nagel et al. 2021, arXiv 2106.08295).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from nasflow.deployment.onnx_model import INPUT

BATCH = 64  # calibration images that are computed at once


class _Calibration:
    """Hands calibration images to onnxruntime, one batch after the other."""

    def __init__(self, images: Tensor) -> None:
        self._batches: Iterator[Tensor] = iter(torch.split(images, BATCH))

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch.numpy()}


def quantised(model: onnx.ModelProto, images: Tensor) -> onnx.ModelProto:
    """Quantise a network.

    Args:
        model: the network in float32, as `onnx_model` writes it.
        images: calibration images, a few hundred of the training images, of the type that the
            network takes, (n, channels, height, width).

    Returns:
        The network in int8, with the same input and output.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "int8.onnx"
        copy = onnx.ModelProto()  # the function changes what it is given
        copy.CopyFrom(model)
        quantize_static(
            copy,
            out,
            _Calibration(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(out)
