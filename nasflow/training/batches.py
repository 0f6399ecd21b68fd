"""Batches of images. All images stay on the device, so that no loader and no processes are needed.

Images are stored as uint8 (n, height, width, channels). One indexing operation takes a batch from
them, another one shifts and mirrors it, and the result lies in channels-last memory. The images of
a step and all of their changes (modules `augmentation` and `mixture`) depend only on the purpose,
the counters (such as the seed) and the step. Any step can therefore be replayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from nasflow.config.data import Augment
from nasflow.randomness import generator
from nasflow.training.augmentation import (
    colour_draws,
    coloured,
    crop_draws,
    erase_draws,
    holes,
    luma,
    prepared,
    read,
    shift_draws,
    square_draws,
)
from nasflow.training.mixture import mixture
from nasflow.training.step_blocks import DrawnAhead


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

    def mirrored(self) -> Split:
        """Return this split with the mirror image of each of its images."""
        return replace(self, images=self.images.flip(2))

    def normalise(self, images: Tensor) -> Tensor:
        """Subtract the mean of each channel from images and divide by its standard deviation.

        Args:
            images: (b, height, width, channels), values from 0 to 255.

        Returns:
            float32 (b, channels, height, width), in channels-last memory.
        """
        scaled = (images.float() / 255.0).sub_(self.mean).div_(self.std)
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
        crop: smallest part of its area that a random crop of an image keeps; 1: no crop.
        colour: brightness, contrast and saturation are multiplied by factors between 1 - colour
            and 1 + colour; 0: they stay.
        erase: probability that a rectangle of an image is set to the mean colour.
        mixup: alpha of mixup; 0: none. With `mixup` or `cutmix`, the labels of a batch are the
            probabilities of the classes, float32 (size, classes).
        cutmix: alpha of cutmix; 0: none.
        classes: the number of classes, which `mixup` and `cutmix` need.

    Raises:
        ValueError: if the split holds fewer images than a batch, or labels are to be mixed and
            the number of classes is not given.
    """

    split: Split
    size: int
    purpose: str
    counters: tuple[int, ...]
    flip: bool = False
    shift: int = 0
    cutout: int = 0
    alternate: bool = False
    crop: float = 1.0
    colour: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    classes: int = 0
    _epoch: int = field(init=False, default=-1)
    _order: np.ndarray = field(init=False)
    _first: np.ndarray | None = field(init=False, default=None)  # sides in even epochs
    _ahead: DrawnAhead | None = field(init=False, default=None)
    _luma: Tensor | None = field(init=False, default=None)
    _targets: Tensor | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.size > len(self.split):
            raise ValueError(
                f"batch size {self.size}; expected at most the split's {len(self.split)} images"
            )
        if (self.mixup or self.cutmix) and self.classes < 1:
            raise ValueError(
                f"classes: {self.classes}; expected at least 1, because mixup or cutmix is on"
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
            Images, float32 (size, channels, height, width), and labels: the classes, int64
            (size,), or their probabilities where labels are mixed, float32 (size, classes).
        """
        numbers = self._numbers(step)
        index = numbers["index"]
        images = self._changed(self.split.images.index_select(0, index), numbers)
        labels = self.split.labels[index]
        if not (self.mixup or self.cutmix):
            return images, labels
        if self._targets is None:
            self._targets = torch.eye(self.classes, device=labels.device)
        targets, rng = self._targets[labels], self._drawn("mix", step)
        return mixture(images, targets, rng, (self.mixup, self.cutmix))

    def _numbers(self, step: int) -> Mapping[str, Tensor]:
        """Return what `_prepared` makes of the numbers of a step, on the device of the images."""
        device = self.split.images.device
        if device.type == "cpu":
            return self._prepared(
                {name: torch.from_numpy(a) for name, a in self._draw(step).items()}
            )
        if self._ahead is None:
            self._ahead = DrawnAhead(self._draw, self._prepared, device)
        return self._ahead(step)

    def _draw(self, step: int) -> dict[str, np.ndarray]:
        """Draw all numbers that the images of a step need, by name."""
        index = self._indices(step)
        numbers = {"index": index}
        b, height, width, _ = (self.size, *self.split.images.shape[1:])
        moved = self.flip or self.shift or self.crop < 1.0
        if moved or self.cutout:
            rng = self._drawn("augment", step)  # the order of its draws must stay as it is
            offsets = shift_draws(rng, b, self.shift)
            if moved:
                numbers["offsets"] = offsets
            if self.flip:
                sides = self._sides(index, step) if self.alternate else rng.random(b) < 0.5
                numbers["mirrored"] = sides
            if self.cutout:
                numbers["cutout"] = square_draws(rng, b, height, width, self.cutout)
        if self.crop < 1.0:
            numbers["crop"] = crop_draws(self._drawn("crop", step), b, height, width, self.crop)
        if self.colour:
            numbers["colour"] = colour_draws(self._drawn("colour", step), b, self.colour)
        if self.erase:
            numbers["erase"] = erase_draws(self._drawn("erase", step), b, height, width, self.erase)
        return numbers

    def _prepared(self, drawn: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return prepared(drawn, *self.split.images.shape[1:3])

    def _changed(self, images: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
        """Change images as the numbers of their step say, and normalise them."""
        if "rows" in numbers:
            if s := self.shift:  # a black border, from which zeros enter a shifted image
                images = torch.nn.functional.pad(images, (0, 0, s, s, s, s))
            images = read(images, numbers["rows"], numbers["columns"])
        if self.colour:
            if self._luma is None:
                self._luma = luma(images.shape[3], images.device)
            images = coloured(images, numbers["colour"], self._luma)
        result, mask = self.split.normalise(images), holes(numbers)
        if mask is not None:
            result.permute(0, 2, 3, 1).masked_fill_(mask[:, :, :, None], 0.0)
        return result

    def _indices(self, step: int) -> np.ndarray:
        """Return which images of the split the batch of a step has, int64 (size,)."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            order = generator(f"{self.purpose} order", *self.counters, epoch)
            self._order, self._epoch = order.permutation(len(self.split)), epoch
        return self._order[place * self.size : (place + 1) * self.size]

    def _drawn(self, purpose: str, step: int) -> np.random.Generator:
        """Make the generator of one kind of change, so that no kind alters what another draws."""
        return generator(f"{self.purpose} {purpose}", *self.counters, step)

    def _sides(self, index: np.ndarray, step: int) -> np.ndarray:
        """Return which images of a batch are mirrored in the epoch of this step, bool (b,)."""
        if self._first is None:
            rng = generator(f"{self.purpose} mirror", *self.counters)
            self._first = rng.random(len(self.split)) < 0.5
        return np.asarray(self._first[index] ^ (step // self.steps_per_epoch % 2 == 1))


def varied(
    split: Split, size: int, purpose: str, counters: tuple[int, ...], augment: Augment
) -> Batches:
    """Make batches whose images are changed as the section `augment` says, and whose labels stay.

    Mixup and cutmix are left out. The networks of a search train for a short time, and a mixed
    batch makes their training slower and their losses on validation images more alike.

    Args:
        split: where the images come from.
        size: images per batch.
        purpose: what the batches are for.
        counters: numbers that the random draws depend on, the seed first.
        augment: the section.
    """
    return Batches(
        split,
        size,
        purpose,
        counters,
        flip=augment.flip,
        shift=augment.shift,
        crop=augment.crop,
        colour=augment.colour,
        erase=augment.erase,
    )
