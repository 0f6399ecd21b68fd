"""Which changes of a picture keep its class: whether training may mirror and shift the images.

A quick classifier is fitted to unchanged images and asked about changed ones. Where it still
recognises them, the change keeps what the classes depend on, and training on changed images gives
it more to learn from. Where it does not, the place or the side of things carries the class: a text
in which each column stands for a letter says something else one column further right. (On such a
set, Language, shifts by one pixel cost 13 points: 25.3 % test error against 11.8 % after 100 s.)

Some classes are too hard for a quick classifier, or there are too few images. Then it is asked
another question, which needs no classes: can it tell changed images from unchanged ones? Mirrored
letters and digits look wrong, and mirrored photographs do not (Lin et al. 2020, "Visual chirality",
arXiv 2006.09512). A change that nobody notices makes images that could have been in the set.

The classifier is a ridge regression on the responses of random filters, averaged over a grid.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from nasflow.randomness import generator

IMAGES = 4000  # images that are looked at, at most
FITTED = 2 / 3  # part of them to which the classifier is fitted
LEAST = 3  # two images to fit the classifier to, and one to measure it on
FILTERS, SIDE, GRID = 64, 5, 5  # random filters, their side in pixels, cells per side of the grid
RIDGE = 0.1  # weight of the squared coefficients, per image
KEPT = 0.6  # part of the accuracy above chance that a change must keep
# The same for images that are smaller only at the beginning of a training. It need not be as high:
# the rest of it can put right what a network learned wrong. AddNIST keeps 0.62 and gains, Language
# keeps 0.02 and loses (docs/recipe.md).
KEPT_AT_FIRST = 0.3
SMALLER = 0.7  # side of such images, relative to their own
# Part of the time after which images have their own side. A step with small images takes half as
# long, so that half of all images that the network sees are small then (docs/recipe.md).
SMALL_UNTIL = 0.35
SURE = 3.0  # standard errors above chance that the classifier must reach to say anything
# Most accuracy, with SURE standard errors, at which changed images may be told from unchanged ones;
# chance is 0.5. Mirrored: photographs 0.53 to 0.68, letters and digits 0.93 to 1.0.
NOTICED = 0.7


class Symmetry(NamedTuple):
    """What the classifier still recognises.

    Attributes:
        accuracy: on unchanged images, between 0 and 1.
        chance: the accuracy of always naming the largest class.
        mirrored: accuracy on images whose left and right are swapped.
        shifted: the lowest accuracy on images that are shifted up, down, left or right.
        coarse: accuracy on images that were made smaller (SMALLER), and as large as before again.
        images: on how many images the accuracies were measured.
        mirrored_noticed: the accuracy at which mirrored images are told from unchanged ones; 1
            where the classes are recognised, since the question is not asked then.
        shifted_noticed: the same for shifted images, the highest of two directions.
    """

    accuracy: float
    chance: float
    mirrored: float
    shifted: float
    coarse: float
    images: int
    mirrored_noticed: float = 1.0
    shifted_noticed: float = 1.0

    @property
    def mirrors(self) -> bool:
        """Whether training may mirror the images."""
        return self.keeps(self.mirrored) or self._unnoticed(self.mirrored_noticed)

    @property
    def shifts(self) -> bool:
        """Whether training may shift the images."""
        return self.keeps(self.shifted) or self._unnoticed(self.shifted_noticed)

    @property
    def knows(self) -> bool:
        """Whether the classifier recognises unchanged images better than by chance."""
        noise = np.sqrt(max(self.chance * (1.0 - self.chance), 1e-9) / max(self.images, 1))
        return bool(self.accuracy - self.chance > SURE * noise)

    def keeps(self, changed: float, least: float = KEPT) -> bool:
        """Tell whether an accuracy on changed images shows that the change keeps the classes.

        Args:
            changed: the accuracy on changed images: `mirrored`, `shifted` or `coarse`.
            least: the part of the accuracy above chance that the change must keep.
        """
        above = self.accuracy - self.chance
        return self.knows and changed - self.chance >= least * above

    def _unnoticed(self, noticed: float) -> bool:
        """Tell whether a change cannot be seen in an image; each is measured with and without."""
        noise = 0.5 / np.sqrt(2 * max(self.images, 1))
        return not self.knows and bool(max(noticed, 0.5) + SURE * noise <= NOTICED)


def symmetry(pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], shift: int) -> Symmetry:
    """Measure which changes a quick classifier does not notice.

    Args:
        pixels: uint8 (n, height, width, channels); IMAGES of them are drawn.
        labels: their classes, from 0, (n,).
        shift: the pixels by which images are shifted.
    """
    if len(pixels) < LEAST:
        return Symmetry(0.0, 1.0, 0.0, 0.0, 0.0, 0)
    drawn = generator("symmetry", 0).permutation(len(pixels))[:IMAGES]
    images = torch.from_numpy(pixels[drawn]).permute(0, 3, 1, 2).float()
    images = (images - images.mean()) / images.std().clamp_min(1e-6)
    known, fitted = torch.from_numpy(labels[drawn]), int(FITTED * len(drawn))
    measured, truth = images[fitted:], known[fitted:]
    classify = _Classifier(images[:fitted], known[:fitted])
    moves = [(0, shift), (0, -shift), (shift, 0), (-shift, 0)]
    shifts = [_moved(measured, *move) for move in moves]
    changed = (measured, measured.flip(3), _coarse(measured), *shifts)
    own, mirrored, coarse, *shifted = (
        float((classify(images) == truth).double().mean()) for images in changed
    )
    chance = float(torch.bincount(truth).max() / len(truth))
    found = Symmetry(own, chance, mirrored, min(shifted), coarse, len(truth))
    if found.knows:
        return found
    seen = images[:fitted], measured
    return found._replace(
        mirrored_noticed=_noticed(*seen, lambda images: images.flip(3)),
        shifted_noticed=max(
            _noticed(*seen, partial(_moved, down=d, right=r)) for d, r in moves[::2]
        ),
    )


def _noticed(fitted: Tensor, measured: Tensor, change: Callable[[Tensor], Tensor]) -> float:
    """Return the accuracy at which a classifier tells changed images from unchanged ones."""
    both = torch.cat([fitted, change(fitted)])
    classify = _Classifier(both, torch.arange(2).repeat_interleave(len(fitted)))
    right = [classify(measured) == 0, classify(change(measured)) == 1]
    return float(torch.cat(right).double().mean())


class _Classifier:
    """A ridge regression on random features; called with images, it names their classes."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        shape = (FILTERS, images.shape[1], SIDE, SIDE)
        draw = generator("symmetry filters", 0).standard_normal(shape)
        self._filters = torch.tensor(draw / np.sqrt(np.prod(shape[1:])), dtype=torch.float32)
        features = self._features(images)
        self._mean, self._scale = features.mean(0), features.std(0) + 1e-6
        x = self._standard(features)
        wanted = F.one_hot(labels).float()
        ridge = RIDGE * len(x) * torch.eye(x.shape[1])
        self._coefficients = torch.linalg.solve(x.T @ x + ridge, x.T @ wanted)

    def __call__(self, images: Tensor) -> Tensor:
        scores: Tensor = self._standard(self._features(images)) @ self._coefficients
        return scores.argmax(1)

    def _features(self, images: Tensor) -> Tensor:
        def one(part: Tensor) -> Tensor:
            response = F.relu(F.conv2d(part, self._filters, padding=SIDE // 2))
            return F.adaptive_avg_pool2d(response, GRID).flatten(1)

        return torch.cat([one(part) for part in torch.split(images, 500)])

    def _standard(self, features: Tensor) -> Tensor:
        x = (features - self._mean) / self._scale
        return torch.cat([x, torch.ones(len(x), 1)], 1)


def _coarse(images: Tensor) -> Tensor:
    """Make images smaller, and then as large as they were."""
    size = [max(1, round(SMALLER * side)) for side in images.shape[2:]]
    small = F.interpolate(images, size, mode="bilinear", antialias=True)
    return F.interpolate(small, images.shape[2:], mode="bilinear")


def _moved(images: Tensor, down: int, right: int) -> Tensor:
    """Shift images; the pixels of the edge are repeated, since only the move is asked about."""
    edge = max(abs(down), abs(right))
    padded = F.pad(images, (edge,) * 4, mode="replicate")
    height, width = images.shape[2:]
    return padded[:, :, edge - down : edge - down + height, edge - right : edge - right + width]
