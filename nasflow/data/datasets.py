"""The three splits of an experiment: train (X_k), validation (Y_k) and test images.

Splits are stratified and a pure function of the images' order, the fractions and split_seed. The
order is that of sorted names, so how a file system lists files is not in it. Or a file says which
image is where (data.split). All algorithms and seeds of an experiment share the splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nasflow.config.experiment import Data
from nasflow.data import image_sources, inventory, pictures, split_file
from nasflow.data.image_sources import Images, Labelled, Labels, Source
from nasflow.randomness import generator

Mask = npt.NDArray[np.bool_]

FRACTIONS = ("test_fraction", "validation_fraction")  # the place is the counter of the draw


@dataclass(frozen=True, eq=False)
class Splits:
    """Images uint8 (n, height, width, channels) and labels int64 (n,) of each split.

    `classes` names the labels; each occurs in train. Within a split the source's order is kept.
    `names`: of each split, what its images are called; `modes`: how many pictures on disk came as
    L, RGB, RGBA, ..."""

    source: str
    classes: tuple[str, ...]
    train_images: Images
    train_labels: Labels
    validation_images: Images
    validation_labels: Labels
    test_images: Images
    test_labels: Labels
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)

    @property
    def table(self) -> dict[str, list[tuple[str, str]]]:
        """Of each split, what its images are called and their classes."""
        labels = self.labels
        return {
            split: [(n, self.classes[i]) for n, i in zip(names, labels[split], strict=True)]
            for split, names in self.names.items()
        }

    @property
    def labels(self) -> dict[str, Labels]:
        return {split: getattr(self, f"{split}_labels") for split in split_file.SPLITS}


def load_splits(data: Data) -> Splits:
    """Read the source and split it.

    `test_fraction` is used where the source has no test set; `validation_fraction`, where it has no
    validation set, is of the images that are then left. Raises ValueError, one line, on unusable
    input."""
    found = _read(data)
    parts = _drawn(found, data) if data.split is None else _told(found, data.split)
    names = {split: part.names for split, part in zip(split_file.SPLITS, parts, strict=True)}
    (train, y, _), (validation, y_k, _), (test, y_test, _) = parts
    return Splits(
        data.source, found.classes, train, y, validation, y_k, test, y_test, names, found.modes
    )


def describe(splits: Splits) -> dict[str, Any]:
    """What data.json says of the splits, but for the files.

    mean and std are of the train images, a number a channel, scale 0..1, exact to rounding (integer
    sums); std is at least 1e-3. balance is of the train images. duplicates counts the validation
    images with the same pixels as a train image, and the test images with those of a train or
    validation image."""
    _, height, width, channels = splits.train_images.shape
    mean, std = _moments(splits.train_images)
    count = len(splits.classes)
    counts = {
        name: np.bincount(part, minlength=count).tolist() for name, part in splits.labels.items()
    }
    return {
        "source": splits.source,
        "classes": list(splits.classes),
        "channels": channels,
        "height": height,
        "width": width,
        "mean": mean,
        "std": std,
        "counts": counts,
        "balance": inventory.balance(counts["train"]),
        "modes": dict(splits.modes),
        "duplicates": _duplicates(splits),
    }


def stratified(labels: Labels, fraction: float, rng: np.random.Generator) -> Mask:
    """Marks round(fraction n) of n images, at random within each class.

    A class gives its quota, fraction times its size, rounded up or down (largest remainders first,
    ties at random), and always keeps an image: of classes of one image the total may fall short."""
    sizes = np.bincount(labels)
    quota = fraction * sizes
    take = np.floor(quota).astype(np.int64)
    remainder = np.where(take + 1 < sizes, quota - take, 0.0)
    order = np.lexsort((rng.permutation(len(sizes)), -remainder))
    missing = round(fraction * len(labels)) - int(take.sum())
    take[order[:missing]] += remainder[order[:missing]] > 0.0
    by_class = np.lexsort((rng.random(len(labels)), labels))  # shuffled within each class
    place = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    marked = np.zeros(len(labels), dtype=np.bool_)
    marked[by_class] = place < np.repeat(take, sizes)
    return marked


def _read(data: Data) -> Source:
    if data.source in ("folder", "parquet"):
        if data.train is None:
            raise ValueError(
                f"data.train: null; expected a path, since data.source is {data.source}"
            )
        return image_sources.from_disk(
            data.source, data.train, data.validation, data.test, data.size
        )
    if data.source == "digits":
        found = image_sources.digits()
    else:
        found = image_sources.from_torchvision(data.source, Path(data.root), data.download)
    if data.size is None:
        return found
    train, test = (part and _resized(part, data.size) for part in (found.train, found.test))
    assert train is not None
    return Source(train, None, test, found.classes)


def _resized(part: Labelled, size: int) -> Labelled:
    return part._replace(images=pictures.resize(part.images, size))


def _drawn(found: Source, data: Data) -> tuple[Labelled, Labelled, Labelled]:
    train, validation, test = found.train, found.validation, found.test
    if test is None:
        train, test = _split(train, data, "test_fraction")
    if validation is None:
        train, validation = _split(train, data, "validation_fraction")
    return train, validation, test


def _told(found: Source, path: str) -> tuple[Labelled, Labelled, Labelled]:
    """The parts of the train images that a file tells, and the parts that the source has."""
    own = {"validation": found.validation, "test": found.test}
    elsewhere = [name for part in own.values() if part for name in part.names]
    split = split_file.told(path, found.train.names, elsewhere)
    parts = []
    for name in split_file.SPLITS:
        rows, there = np.flatnonzero(split == name), own.get(name)
        if there is not None and len(rows):
            raise ValueError(
                f"data.split: '{path}' puts {found.train.names[rows[0]]} in {name}, but data.{name}"
                f" is given; expected one of both; remove data.{name} or the {name} of the file"
            )
        if there is None and not len(rows):
            raise ValueError(
                f"data.split: '{path}' puts no image in {name}; expected some in each of"
                f" {', '.join(split_file.SPLITS)}"
            )
        parts.append(there or _taken(found.train, rows))
    image_sources.check_classes(parts[0].labels, found.classes, f"data.split: '{path}'")
    train, validation, test = parts
    return train, validation, test


def _taken(whole: Labelled, rows: npt.NDArray[np.int64]) -> Labelled:
    names = tuple(whole.names[row] for row in rows)
    return Labelled(whole.images[rows], whole.labels[rows], names)


def _split(whole: Labelled, data: Data, key: str) -> tuple[Labelled, Labelled]:
    """What is left and what is held out for the fraction of that key."""
    fraction = getattr(data, key)
    rng = generator("split", data.split_seed, FRACTIONS.index(key))
    marked = stratified(whole.labels, fraction, rng)
    if not marked.any():
        raise ValueError(
            f"data.{key}: {fraction} of {len(whole.labels)} images is none; expected at least one,"
            f" with one of each class left to train; raise it or add images"
        )
    return _taken(whole, np.flatnonzero(~marked)), _taken(whole, np.flatnonzero(marked))


def _moments(images: Images) -> tuple[list[float], list[float]]:
    channels = images.shape[3]
    first, second = [0] * channels, [0] * channels  # Python integers do not overflow
    for start in range(0, len(images), 1024):
        block = images[start : start + 1024].reshape(-1, channels).astype(np.int64)
        for channel in range(channels):
            first[channel] += int(block[:, channel].sum())
            second[channel] += int((block[:, channel] ** 2).sum())
    n = images.size // channels
    mean = [s / (255 * n) for s in first]
    std = [
        max((n * q - s * s) ** 0.5 / (255 * n), 1e-3) for s, q in zip(first, second, strict=True)
    ]
    return mean, std


def _duplicates(splits: Splits) -> dict[str, int]:
    train, validation, test = (
        [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]
        for images in (splits.train_images, splits.validation_images, splits.test_images)
    )
    seen = set(train)
    in_train = sum(one in seen for one in validation)
    seen |= set(validation)
    return {"validation": in_train, "test": sum(one in seen for one in test)}
