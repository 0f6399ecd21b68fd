"""Batches of images. All images stay on the device, so that no loader and no processes are needed.

Images are stored as uint8 (n, height, width, channels). One indexing operation takes a batch from
them: its indices also shift and mirror the images, and its result lies in channels-last memory.
The images, shifts, mirrors and holes of a step depend only on the purpose, the counters (such as
the seed) and the step. Any step can therefore be replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from nasflow.randomness import generator


@dataclass(frozen=True)
class Split:
    """The images of one part of the data, such as the training images, with their labels.

    Attributes:
        images: uint8 (n, height, width, channels).
        labels: the classes, int64 (n,).
        mean: mean of the training images on the scale 0 to 1, for each channel (channels,).
        std: standard deviation of the training images on that scale, (channels,).
        weights: how much each class counts in losses, float32 (classes,); None where all count 1.
    """

    images: Tensor
    labels: Tensor
    mean: Tensor
    std: Tensor
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: str) -> Split:
        """Return this split with all of its tensors on a device."""
        images, labels, mean, std = (
            t.to(device) for t in (self.images, self.labels, self.mean, self.std)
        )
        weights = None if self.weights is None else self.weights.to(device)
        return Split(images, labels, mean, std, weights)

    def weighted(self, factors: Sequence[float] | None) -> Split:
        """Return this split with a weight for each class; None where all count 1."""
        if factors is None:
            return replace(self, weights=None)
        weights = torch.tensor(factors, dtype=torch.float32, device=self.mean.device)
        return replace(self, weights=weights)

    def normalise(self, images: Tensor) -> Tensor:
        """Subtract the mean of each channel from images and divide by its standard deviation.

        Args:
            images: uint8 (b, height, width, channels).

        Returns:
            float32 (b, channels, height, width), in channels-last memory.
        """
        scaled = (images.float() / 255.0 - self.mean) / self.std
        return scaled.permute(0, 3, 1, 2)

    def chunk(self, start: int, size: int) -> tuple[Tensor, Tensor]:
        """Return images in their order in the split, normalised but not augmented.

        Args:
            start: index of the first image.
            size: number of images; fewer are returned where the split ends.

        Returns:
            Images, float32 (size, channels, height, width), and their labels (size,).
        """
        return self.normalise(self.images[start : start + size]), self.labels[start : start + size]


def join(a: Split, b: Split) -> Split:
    """Return one split with the images of `a` and then those of `b`.

    It keeps the mean, the standard deviation and the class weights of `a`.
    """
    images, labels = torch.cat([a.images, b.images]), torch.cat([a.labels, b.labels])
    return replace(a, images=images, labels=labels)


@dataclass
class Batches:
    """An endless sequence of batches from a split. Call it with a step to get the batch.

    Each epoch e visits the images in a random order, drawn from (purpose, counters, e). The last
    images of that order are left out of the epoch if they are too few for a batch.

    Attributes:
        split: where the images come from.
        size: images per batch.
        purpose: what the batches are for. Batches with different purposes are drawn independently.
        counters: numbers that the random draws depend on, the seed first.
        flip: mirror each image with probability 1/2.
        shift: largest shift of an image along each axis, in pixels; black pixels move in.
        cutout: side of a square that is set to the mean colour in each image, in pixels; 0: none.
        alternate: with `flip`, mirror each image in every second epoch instead, so that two
            successive epochs show both sides of all images (Jordan 2024, arXiv 2404.00498).

    Raises:
        ValueError: if the split holds fewer images than a batch.
    """

    split: Split
    size: int
    purpose: str
    counters: tuple[int, ...]
    flip: bool = False
    shift: int = 0
    cutout: int = 0
    alternate: bool = False
    _epoch: int = field(init=False, default=-1)
    _order: Tensor = field(init=False)

    def __post_init__(self) -> None:
        if self.size > len(self.split):
            raise ValueError(
                f"batch size {self.size}; expected at most the split's {len(self.split)} images"
            )

    @property
    def steps_per_epoch(self) -> int:
        """The number of whole batches in the split."""
        return len(self.split) // self.size

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a step.

        Args:
            step: the number of the training step, from 0.

        Returns:
            Images, float32 (size, channels, height, width), and labels (size,).
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            order = generator(f"{self.purpose} order", *self.counters, epoch)
            shuffled = torch.from_numpy(order.permutation(len(self.split)))
            self._order = shuffled.to(self.split.images.device)
            self._epoch = epoch
        index = self._order[place * self.size : (place + 1) * self.size]
        images = self.split.images[index]
        if s := self.shift:  # a black border of this width, from which zeros enter a shifted image
            images = torch.nn.functional.pad(images, (0, 0, s, s, s, s))
        return self._augment(images, index, step), self.split.labels[index]

    def _augment(self, images: Tensor, index: Tensor, step: int) -> Tensor:
        if not (self.flip or self.shift or self.cutout):
            return self.split.normalise(images)
        rng = generator(f"{self.purpose} augment", *self.counters, step)
        b, (height, width) = len(index), self.split.images.shape[1:3]
        rows = np.arange(height) + rng.integers(0, 2 * self.shift + 1, (b, 1))
        columns = np.arange(width) + rng.integers(0, 2 * self.shift + 1, (b, 1))
        if self.flip:
            mirrored = self._sides(index, step) if self.alternate else rng.random(b) < 0.5
            columns[mirrored] = columns[mirrored, ::-1]
        device = images.device
        r, c = (torch.from_numpy(a).to(device) for a in (rows, columns))
        own = torch.arange(b, device=device)[:, None, None]
        result = self.split.normalise(images[own, r[:, :, None], c[:, None, :]])
        if self.cutout:
            holes = torch.from_numpy(_holes(rng, b, height, width, self.cutout)).to(device)
            result = result.masked_fill(holes[:, None], 0.0)
        return result

    def _sides(self, index: Tensor, step: int) -> np.ndarray:
        """Return which images of a batch are mirrored in the epoch of this step, (b,)."""
        first = generator(f"{self.purpose} mirror", *self.counters).random(len(self.split)) < 0.5
        return np.asarray(first[index.cpu().numpy()] ^ (step // self.steps_per_epoch % 2 == 1))


def _holes(rng: np.random.Generator, b: int, height: int, width: int, side: int) -> np.ndarray:
    """Return masks (b, height, width), each True inside one square (DeVries & Taylor 2017).

    The centre of a square is any pixel, so that a part of the square may lie outside the image.
    """

    def near(length: int) -> np.ndarray:
        offset = np.arange(length) - rng.integers(0, length, (b, 1)) + side // 2
        return (offset >= 0) & (offset < side)

    return np.asarray(near(height)[:, :, None] & near(width)[:, None, :])
