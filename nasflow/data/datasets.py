"""The three splits of an experiment: train (X_k), validation (Y_k) and test images.

Splits are stratified, which means that each class gives the same fraction of its images. They
depend on the order of the images, the fractions and split_seed, and on nothing else. The images are
in the order of their sorted names, so that it does not matter how a file system lists its files.
Instead of the fractions, a file can tell which image is in which split (data.split). All algorithms
and seeds of an experiment use the same splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nasflow.config.data import Data
from nasflow.data import image_sources, inventory, split_file
from nasflow.data.labels import Labels, check_classes
from nasflow.data.listed import Listed, Part, Source, in_memory
from nasflow.data.pictures import Images
from nasflow.randomness import generator

Mask = npt.NDArray[np.bool_]

# Keys of the configuration. The position of a key is the counter of its random draw.
FRACTIONS = ("test_fraction", "validation_fraction")
BYTES = 4_000_000  # of images that are counted together
VALUES = np.arange(256)


@dataclass(frozen=True, eq=False)
class Splits:
    """The images and labels of each split. Within a split the order of the source is kept.

    Attributes:
        source: the value of data.source.
        classes: the names of the labels 0, 1, ...; each class occurs in the train images.
        train_images: uint8 (n, height, width, channels); so are the images of the other splits.
        train_labels: int64 (n,); so are the labels of the other splits.
        validation_images: see train_images.
        validation_labels: see train_labels.
        test_images: see train_images.
        test_labels: see train_labels.
        names: maps each split to the names of its images.
        modes: how many pictures on disk had each of Pillow's modes: L, RGB, RGBA, ...
    """

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
        """For each split, the name of each image and the name of its class."""
        labels = self.labels
        return {
            split: [(n, self.classes[i]) for n, i in zip(names, labels[split], strict=True)]
            for split, names in self.names.items()
        }

    @property
    def labels(self) -> dict[str, Labels]:
        """For each split, its labels, int64 (n,)."""
        return {split: getattr(self, f"{split}_labels") for split in split_file.SPLITS}


def load_splits(data: Data) -> Splits:
    """Read the images of a configuration and split them.

    Where the source has no test set, `test_fraction` of the train images become one. Where it has
    no validation set, `validation_fraction` of the images that are then left become one.

    Args:
        data: the section `data` of the configuration.

    Returns:
        The three splits.

    Raises:
        ValueError: if the input is unusable; the message is one line.
    """
    found = _read(data)
    listed = in_memory(found, data.size) if isinstance(found, Source) else found
    parts = divided(listed, data)
    names = {split: part.names for split, part in zip(split_file.SPLITS, parts, strict=True)}
    images, modes = listed.decoded(np.concatenate([part.rows for part in parts]))
    ends = np.cumsum([len(part.rows) for part in parts])
    train, validation, test = np.split(images, ends[:2])  # views: nothing is copied
    y, y_k, y_test = (part.labels for part in parts)
    return Splits(data.source, found.classes, train, y, validation, y_k, test, y_test, names, modes)


def divided(found: Listed, data: Data) -> tuple[Part, Part, Part]:
    """Split a source as the configuration says it.

    Args:
        found: the labels and names of the source.
        data: the section `data` of the configuration.

    Returns:
        The train, validation and test images.

    Raises:
        ValueError: if a part would have no image, or if `data.split` does not fit the images.
    """
    return _drawn(found, data) if data.split is None else _told(found, data.split)


def describe(splits: Splits) -> dict[str, Any]:
    """Compute the facts about the splits that data.json holds besides the digests of the files.

    Args:
        splits: the three splits.

    Returns:
        Plain data. `mean` and `std` are those of the train images on the scale 0..1, one number
        for each channel; they are exact up to rounding, because the sums are integers, and `std`
        is at least 1e-3. `balance` is that of the train images. `duplicates` counts the validation
        images with the same pixels as a train image, and the test images with the same pixels as
        a train or validation image.
    """
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
    """Mark round(fraction * n) of n images, at random within each class.

    The quota of a class is the fraction times its size. Each class gives its quota, rounded up or
    down; the classes with the largest remainders round up, and ties are decided at random. A class
    always keeps one image, so that fewer images may be marked when some classes are very small.

    Args:
        labels: int64 (n,), from 0.
        fraction: the fraction of images to mark, above 0 and below 1.
        rng: decides ties and chooses the images.

    Returns:
        True for each marked image, (n,).
    """
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


def _read(data: Data) -> Source | Listed:
    """The images of the source: those of a library, or a list of pictures on disk."""
    if data.source in ("folder", "parquet"):
        if data.train is None:
            raise ValueError(
                f"data.train: null; expected a path, since data.source is {data.source}"
            )
        return image_sources.from_disk(
            data.source, data.train, data.validation, data.test, data.size
        )
    if data.source == "digits":
        return image_sources.digits()
    return image_sources.from_torchvision(data.source, Path(data.root), data.download)


def _drawn(found: Listed, data: Data) -> tuple[Part, Part, Part]:
    """Train, validation and test images; those that the source lacks are drawn from train."""
    train, validation, test = found.train, found.validation, found.test
    if test is None:
        train, test = _split(train, data, "test_fraction")
    if validation is None:
        train, validation = _split(train, data, "validation_fraction")
    return train, validation, test


def _told(found: Listed, path: str) -> tuple[Part, Part, Part]:
    """Train, validation and test images; a file tells which train images form which of them.

    Validation or test images that the source has of its own are used as they are.
    """
    own = {"validation": found.validation, "test": found.test}
    elsewhere = [name for part in own.values() if part for name in part.names]
    split = split_file.told(path, found.train.names, elsewhere)
    parts = []
    for name in split_file.SPLITS:
        rows, there = np.flatnonzero(split == name), own.get(name)
        if there is not None and len(rows):
            raise ValueError(
                f"data.split: '{path}' puts {found.train.names[rows[0]]} in {name}, but data.{name}"
                f" is given; expected only one of these; remove data.{name} or the {name} of the"
                " file"
            )
        if there is None and not len(rows):
            raise ValueError(
                f"data.split: '{path}' puts no image in {name}; expected some in each of"
                f" {', '.join(split_file.SPLITS)}"
            )
        parts.append(there or _taken(found.train, rows))
    check_classes(parts[0].labels, found.classes, f"data.split: '{path}'")
    train, validation, test = parts
    return train, validation, test


def _taken(whole: Part, rows: npt.NDArray[np.int64]) -> Part:
    """The images of these rows."""
    names = tuple(whole.names[row] for row in rows)
    return Part(whole.rows[rows], whole.labels[rows], names)


def _split(whole: Part, data: Data, key: str) -> tuple[Part, Part]:
    """The images that are left, and those that are held out by the fraction with that key."""
    fraction = getattr(data, key)
    rng = generator("split", data.split_seed, FRACTIONS.index(key))
    marked = stratified(whole.labels, fraction, rng)
    if not marked.any():
        raise ValueError(
            f"data.{key}: {fraction} of {len(whole.labels)} images is none; expected at least one,"
            f" with one of each class left to train; raise the fraction or add images"
        )
    return _taken(whole, np.flatnonzero(~marked)), _taken(whole, np.flatnonzero(marked))


def _moments(images: Images) -> tuple[list[float], list[float]]:
    """The mean and the standard deviation of each channel, on the scale 0..1."""
    channels = images.shape[3]
    first, second = [0] * channels, [0] * channels  # Python integers do not overflow
    block = max(1, BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), block):
        part = images[start : start + block].reshape(-1, channels)
        for channel in range(channels):
            times = np.bincount(part[:, channel], minlength=256)  # of each value of a pixel
            first[channel] += int(times @ VALUES)
            second[channel] += int(times @ VALUES**2)
    n = images.size // channels
    mean = [s / (255 * n) for s in first]
    std = [
        max((n * q - s * s) ** 0.5 / (255 * n), 1e-3) for s, q in zip(first, second, strict=True)
    ]
    return mean, std


def _duplicates(splits: Splits) -> dict[str, int]:
    """Count the images of each later split whose pixels occur in an earlier one."""
    train, validation, test = (
        [hashlib.blake2b(image, digest_size=16).digest() for image in images]
        for images in (splits.train_images, splits.validation_images, splits.test_images)
    )
    seen = set(train)
    in_train = sum(one in seen for one in validation)
    seen |= set(validation)
    return {"validation": in_train, "test": sum(one in seen for one in test)}
