"""Batches of images that live on the device: no loader, no workers.

Images are held as uint8 (n, height, width, channels); a batch is one gather, which leaves it in
channels-last memory, shifted and mirrored by its indices. Which images, shifts and mirrors a step
gets is a function of (purpose, seed, step) alone, so that any step can be replayed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from nasflow.randomness import generator


@dataclass(frozen=True)
class Split:
    """images uint8 (n, H, W, C), labels int64 (n,), mean and std (C,) of the training images on the
    scale 0..1."""

    images: Tensor
    labels: Tensor
    mean: Tensor
    std: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: str) -> Split:
        return Split(*(t.to(device) for t in (self.images, self.labels, self.mean, self.std)))

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 (b, H, W, C) to float (b, C, H, W), channels-last in memory."""
        scaled = (images.float() / 255.0 - self.mean) / self.std
        return scaled.permute(0, 3, 1, 2)

    def chunk(self, start: int, size: int) -> tuple[Tensor, Tensor]:
        """Images start .. start + size as they are, and their labels."""
        return self.normalise(self.images[start : start + size]), self.labels[start : start + size]


def join(a: Split, b: Split) -> Split:
    """Both, normalised as the first."""
    return Split(torch.cat([a.images, b.images]), torch.cat([a.labels, b.labels]), a.mean, a.std)


@dataclass
class Batches:
    """An endless sequence of batches from a split: epoch e is a permutation drawn from (purpose,
    seed, e); the last images that fill no batch are left out of that epoch.

    `flip` mirrors half of the images by chance, or with `alternate` each in every second epoch, so
    that two epochs show both sides of all (Jordan 2024, arXiv 2404.00498)."""

    split: Split
    size: int
    purpose: str
    counters: tuple[int, ...]
    flip: bool = False
    shift: int = 0
    cutout: int = 0
    alternate: bool = False
    _padded: Tensor = field(init=False)
    _epoch: int = field(init=False, default=-1)
    _order: Tensor = field(init=False)

    def __post_init__(self) -> None:
        if self.size > len(self.split):
            raise ValueError(
                f"batch size {self.size}; expected at most the split's {len(self.split)} images"
            )
        s = self.shift  # a black border: shifting moves zeros in
        self._padded = torch.nn.functional.pad(self.split.images, (0, 0, s, s, s, s))

    @property
    def steps_per_epoch(self) -> int:
        return len(self.split) // self.size

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Batch of a step (from 0): images (size, C, H, W) float and labels (size,)."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            order = generator(f"{self.purpose} order", *self.counters, epoch)
            shuffled = torch.from_numpy(order.permutation(len(self.split)))
            self._order = shuffled.to(self.split.images.device)
            self._epoch = epoch
        index = self._order[place * self.size : (place + 1) * self.size]
        images = self.split.images[index] if not self.shift else self._padded[index]
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
        first = generator(f"{self.purpose} mirror", *self.counters).random(len(self.split)) < 0.5
        return np.asarray(first[index.cpu().numpy()] ^ (step // self.steps_per_epoch % 2 == 1))


def _holes(rng: np.random.Generator, b: int, height: int, width: int, side: int) -> np.ndarray:
    """True inside one square an image, its centre anywhere (DeVries & Taylor 2017), (b, H, W)."""

    def near(length: int) -> np.ndarray:
        offset = np.arange(length) - rng.integers(0, length, (b, 1)) + side // 2
        return (offset >= 0) & (offset < side)

    return np.asarray(near(height)[:, :, None] & near(width)[:, None, :])
