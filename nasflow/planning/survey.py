"""A look at images before `prepare`: how many there are, of which classes and sizes.

Only the headers of image files are read. Whether every image can be decoded is checked later, by
`prepare`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nasflow.config.data import Data
from nasflow.config.kinds import Source
from nasflow.data.rehearsal import rehearse

OPTIONS = {"train": "--train", "validation": "data.validation", "test": "--test"}
# Of each built-in source: training images, test images (0: none of its own), (height, width,
# channels), and classes.
KNOWN: dict[str, tuple[int, int, tuple[int, int, int], int]] = {
    "digits": (1797, 0, (8, 8, 1), 10),
    "cifar10": (50_000, 10_000, (32, 32, 3), 10),
    "cifar100": (50_000, 10_000, (32, 32, 3), 100),
    "fashion_mnist": (60_000, 10_000, (28, 28, 1), 10),
    "svhn": (73_257, 26_032, (32, 32, 3), 10),
}


class Survey(NamedTuple):
    """What the images are.

    Attributes:
        images: number of images given for training.
        test: number of images given for testing; 0 where there is no own test set.
        size: height, width and channels of the median image.
        uniform: whether all images that were looked at have that size, once upright.
        classes: number of training images of each class.
        counts: number of images in each split that `prepare` would make.
    """

    images: int
    test: int
    size: tuple[int, int, int]
    uniform: bool
    classes: dict[str, int]
    counts: dict[str, int] = {}  # noqa: RUF012


def survey(
    source: str,
    train: Path | None,
    test: Path | None,
    validation: Path | None = None,
    labels: Mapping[str, str] = OPTIONS,
) -> Survey:
    """Look at the images.

    Args:
        source: `data.source` of the configuration.
        train: own training images, or None for a built-in source.
        test: own test images, or None.
        validation: own validation images, or None.
        labels: how a message names train, validation and test.

    Raises:
        ValueError: if `prepare` would refuse the images: there are none, the header of one cannot
            be read, there are fewer than two classes, a class of the test images is not in train,
            or there are too few images to hold some out.
    """
    if source in KNOWN:
        images, tested, size, classes = KNOWN[source]
        return Survey(
            images, tested, size, True, {str(c): images // classes for c in range(classes)}
        )
    paths = (str(path) if path is not None else None for path in (train, validation, test))
    parts = dict(zip(("train", "validation", "test"), paths, strict=True))
    found = rehearse(Data.model_validate({"source": Source(source)} | parts), dict(labels))
    sizes = np.array([header[1:] for header in found.headers])
    height, width = (int(v) for v in np.median(sizes[:, :2], axis=0))
    uniform = len(np.unique(sizes[:, :2], axis=0)) == 1
    counts = np.bincount(found.labels["train"], minlength=len(found.classes)).tolist()
    return Survey(
        len(found.labels["train"]),
        len(found.labels.get("test", ())),
        (height, width, int(sizes[:, 2].max())),
        uniform,
        dict(zip(found.classes, counts, strict=True)),
        found.counts,
    )


def counted(data: Data) -> dict[str, int]:
    """Count the images of each split of a built-in source, as `prepare` splits it."""
    images, tested, _, _ = KNOWN[data.source]
    train = images if tested else images - round(data.test_fraction * images)
    validation = round(data.validation_fraction * train)
    return {
        "train": train - validation,
        "validation": validation,
        "test": tested or images - train,
    }
