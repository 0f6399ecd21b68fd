"""Mixtures of two images of a batch, whose targets are mixed alike: mixup and cutmix.

The partner of an image is the image before it in the batch; the first image has the last one. The
order of a batch is random, so that the partners are random, too. One number is drawn for a whole
batch, as the authors of both methods do.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

Box = tuple[slice, slice]


def mixup(images: Tensor, targets: Tensor, own: float) -> tuple[Tensor, Tensor]:
    """Blend each image with its partner (Zhang et al. 2018, arXiv 1710.09412).

    Args:
        images: float32 (b, channels, height, width).
        targets: the probabilities of the classes, float32 (b, classes).
        own: the weight of the image itself, from 0 to 1; the partner has the rest.

    Returns:
        Images and targets of the same shapes.
    """
    return _blended(images, own), _blended(targets, own)


def cutmix(images: Tensor, targets: Tensor, box: Box) -> tuple[Tensor, Tensor]:
    """Put a rectangle of its partner into each image (Yun et al. 2019, arXiv 1905.04899).

    Args:
        images: float32 (b, channels, height, width).
        targets: the probabilities of the classes, float32 (b, classes).
        box: the rows and the columns of the rectangle.

    Returns:
        Images and targets of the same shapes. The weight of the partner in a target is the part of
        the image's area that the rectangle has.
    """
    place = (..., *box)
    mixed = images.clone()
    mixed[place] = _partners(images[place])
    part = images[0, 0][box].numel() / images[0, 0].numel()
    return mixed, _blended(targets, 1.0 - part)


def box_draws(rng: np.random.Generator, height: int, width: int, own: float) -> Box:
    """Draw the rectangle of cutmix.

    Its sides stand in the ratio of the image's sides. Its centre is any pixel, and what lies
    outside the image is cut off.

    Args:
        rng: the generator.
        height: of the images, in pixels.
        width: of the images, in pixels.
        own: the part of the area that is left to the image itself, where nothing is cut off.

    Returns:
        Rows and columns.
    """
    part = math.sqrt(1.0 - own)

    def side(length: int) -> slice:
        start = int(rng.integers(0, length)) - int(length * part) // 2
        return slice(max(start, 0), min(start + int(length * part), length))

    return side(height), side(width)


def mixture(
    images: Tensor, targets: Tensor, rng: np.random.Generator, alpha: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Mix a batch by mixup or by cutmix.

    Args:
        images: float32 (b, channels, height, width).
        targets: the probabilities of the classes, float32 (b, classes).
        rng: the generator.
        alpha: of mixup and of cutmix; 0: this one is not used. Where both are given, each of them
            mixes half of the batches. The weight of an image itself is drawn from the distribution
            Beta(alpha, alpha).

    Returns:
        Images and targets of the same shapes.
    """
    first = alpha[1] == 0.0 or (alpha[0] > 0.0 and rng.random() < 0.5)
    shape = alpha[0 if first else 1]
    own = float(rng.beta(shape, shape))
    if first:
        return mixup(images, targets, own)
    _, _, height, width = images.shape
    return cutmix(images, targets, box_draws(rng, height, width, own))


def _partners(batch: Tensor) -> Tensor:
    return torch.cat([batch[-1:], batch[:-1]])


def _blended(batch: Tensor, own: float) -> Tensor:
    return torch.lerp(batch, _partners(batch), 1.0 - own)
