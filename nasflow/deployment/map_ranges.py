"""The range of numbers that each map of a network takes, as calibration images show it.

An integer of eight bits has 256 values. They are spread evenly over a range: a wide range makes the
steps between them coarse, and a narrow one cuts off the largest numbers of the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import onnx
import torch
from torch import Tensor

from nasflow.deployment.onnx_model import INPUT
from nasflow.deployment.onnx_session import single_threaded

BATCH = 64  # images that are computed at once
VALUES = 1_000_000  # numbers of a map that are looked at, about
STEPS = 255  # steps between the 256 values of eight bits
SHARES = tuple(1.0 - 0.02 * i for i in range(40))  # parts of the whole range that are tried


class Range(NamedTuple):
    """The range of a map; zero lies in it.

    Attributes:
        low: the lower end, at most 0.
        high: the upper end, at least 0.
    """

    low: float
    high: float


def map_ranges(model: onnx.ModelProto, names: Sequence[str], images: Tensor) -> dict[str, Range]:
    """Find the range of maps with the least mean squared error of rounding and cutting off.

    Args:
        model: a network in float32.
        names: the maps, by the names of the tensors in the network.
        images: calibration images, (n, channels, height, width).

    Returns:
        The range of each map.
    """
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    session = single_threaded(watched)
    seen: dict[str, list[Tensor]] = {name: [] for name in names}
    for batch in torch.split(images, BATCH):
        for name, found in zip(names, session.run(None, {INPUT: batch.numpy()}), strict=True):
            values = torch.from_numpy(found).flatten()
            every = -(-len(values) * len(images) // (VALUES * len(batch)))
            # the ends of the batch always count
            seen[name] += [values[::every], torch.stack([values.min(), values.max()])]
    return {name: best_range(torch.cat(parts)) for name, parts in seen.items()}


def best_range(values: Tensor) -> Range:
    """Choose the part of the range of numbers whose eight bits give the least squared error.

    Args:
        values: the numbers, (n,).

    Returns:
        The range; zero lies in it.
    """
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    values = values[values != 0.0]  # zero is always one of the 256 values
    tried = [Range(low * share, high * share) for share in SHARES]
    return min(tried, key=lambda one: _error(values, one))


def _error(values: Tensor, tried: Range) -> float:
    """The sum of squared errors of rounding (step^2 / 12 each) and of cutting off."""
    step = (tried.high - tried.low) / STEPS
    cut = values - values.clamp(tried.low, tried.high)
    return float(cut.square().sum()) + int((cut == 0.0).sum()) * step**2 / 12.0
