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

BATCH = 64  # images that are computed at once, at most
MOST = 2**26  # numbers of all maps of a batch; they are kept at the same time
VALUES = 1_000_000  # numbers of a map that are looked at, about
# The part of the numbers of a map that lies above its range, and below it (Wu et al. 2020, arXiv
# 2004.09602, section 4.2). A few images have far larger numbers than all others.
OUTSIDE = 1e-5


class Range(NamedTuple):
    """The range of a map; zero lies in it.

    Attributes:
        low: the lower end, at most 0.
        high: the upper end, at least 0.
    """

    low: float
    high: float


def map_ranges(model: onnx.ModelProto, names: Sequence[str], images: Tensor) -> dict[str, Range]:
    """Find the range of each map, without its outermost numbers.

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
    once = sum(found.size for found in session.run(None, {INPUT: images[:1].numpy()}))
    for batch in torch.split(images, max(1, min(BATCH, MOST // once))):
        for name, found in zip(names, session.run(None, {INPUT: batch.numpy()}), strict=True):
            values = torch.from_numpy(found).flatten()
            every = -(-len(values) * len(images) // (VALUES * len(batch)))
            seen[name].append(values[::every])
    return {name: covering(torch.cat(parts)) for name, parts in seen.items()}


def covering(values: Tensor) -> Range:
    """Find the range that leaves out only the outermost numbers on each side.

    Args:
        values: the numbers, (n,).

    Returns:
        The range; zero lies in it.
    """
    ordered, cut = values.sort().values, int(OUTSIDE * len(values))
    ends = ordered[cut], ordered[-1 - cut]
    return Range(min(0.0, float(ends[0])), max(0.0, float(ends[1])))
