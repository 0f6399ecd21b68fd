"""The images by which a network is quantised: a few hundred training images, drawn once."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from nasflow.randomness import generator
from nasflow.storage.splits import read_split

IMAGES = 512  # more of them change the ranges of maps by little


def calibration(folder: Path) -> Tensor:
    """Draw the calibration images of an experiment; the same ones in every call.

    Args:
        folder: the folder that the stage prepare wrote.

    Returns:
        Images, uint8 (up to IMAGES, channels, height, width).

    Raises:
        CorruptFile: if the training images cannot be read.
    """
    return chosen(read_split(folder, "train", "cpu").images)


def chosen(images: Tensor) -> Tensor:
    """Draw calibration images from training images; the same ones in every call.

    Args:
        images: uint8 (n, height, width, channels).

    Returns:
        Images, uint8 (up to IMAGES, channels, height, width).
    """
    order = generator("calibration", 0).permutation(len(images))[:IMAGES]
    return images[torch.from_numpy(order)].permute(0, 3, 1, 2).contiguous()
