"""Progressive resizing: training images that are smaller at first, and have their own size later.

A step with images of 0.7 of the side costs half as much. Most of what the kernels of convolutions
learn holds for both sizes, so that a training with a deadline makes more steps, and the last part
of it, at the own size, repairs the rest (Howard 2018; Tan & Le 2021, arXiv 2104.00298, section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nasflow.architecture.architecture import Architecture
from nasflow.training.batches import Batches
from nasflow.training.sibling import Batch

Size = tuple[int, int]  # height and width, pixels


def smaller(architectures: Sequence[Architecture], part: float) -> Size | None:
    """Return the size of the images at first, or None where they keep their own size.

    Args:
        architectures: the networks that see the images; all have images of the same size.
        part: the side of the images at first, relative to their own; 1 for their own size.

    Returns:
        None also where a network reads maps of one size only (`flat_head`), or where the smaller
        images would leave too little for its pools.
    """
    own = architectures[0].size
    height, width = (max(1, round(part * side)) for side in own)
    if (height, width) == own or any(g.head.op == "flat_head" for g in architectures):
        return None
    try:
        for g in architectures:
            replace(g, size=(height, width))
    except ValueError:  # a pool of a map of one pixel, or two maps that no longer fit each other
        return None
    return height, width


def resized(images: Tensor, size: Size) -> Tensor:
    """Make images smaller, (b, channels, height, width), by means over the pixels (bilinear)."""
    result = F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
    return result.contiguous(memory_format=torch.channels_last)


class Resized:
    """A sequence of batches whose images are smaller at first. Call it with a step.

    Args:
        batches: the batches, with images of their own size.
        size: height and width of the images at first.
        small: whether the images of a step are still small; called with the number of the step.
    """

    def __init__(self, batches: Batches, size: Size, small: Callable[[int], bool]) -> None:
        self._batches, self._size, self._small = batches, size, small

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step, as `Batches` does."""
        images, labels = self._batches(step)
        return (resized(images, self._size) if self._small(step) else images), labels
