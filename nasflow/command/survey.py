"""A quick look at images before `prepare`: how many there are, of which classes and sizes.

Only the headers of image files are read, and only of a sample where there are many. Whether every
image can be decoded is checked later, by `prepare`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nasflow.data import encoded
from nasflow.data.picture import header

LOOKED_AT = 2000  # most headers that are read, of evenly spaced files
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
        uniform: whether all images of the sample have that size.
        classes: number of training images of each class.
    """

    images: int
    test: int
    size: tuple[int, int, int]
    uniform: bool
    classes: dict[str, int]


def survey(source: str, train: Path | None, test: Path | None) -> Survey:
    """Look at the images.

    Args:
        source: `data.source` of the configuration.
        train: own training images, or None for a built-in source.
        test: own test images, or None.

    Raises:
        ValueError: if there are no images, or one of the sample cannot be read.
    """
    if source in KNOWN:
        images, tested, size, classes = KNOWN[source]
        return Survey(
            images, tested, size, True, {str(c): images // classes for c in range(classes)}
        )
    assert train is not None
    found = _read(source, train, "--train")
    tested = len(_read(source, test, "--test").names) if test is not None else 0
    sizes = [
        _size(found, int(i))
        for i in np.unique(np.linspace(0, len(found.names) - 1, LOOKED_AT).astype(int))
    ]
    height, width = (int(v) for v in np.median(np.array(sizes)[:, :2], axis=0))
    uniform = len({size[:2] for size in sizes}) == 1
    deepest = max(size[2] for size in sizes)
    return Survey(len(found.names), tested, (height, width, deepest), uniform, _classes(found))


def _read(source: str, path: Path, key: str) -> encoded.Encoded:
    found = {"folder": encoded.folder, "parquet": encoded.parquet}[source](str(path), key)
    if not found.names:
        raise ValueError(f"{key}: '{path}' has no images; expected some of each class")
    return found


def _classes(found: encoded.Encoded) -> dict[str, int]:
    counts = Counter(found.labels.tolist())
    most = max(len(found.names), len(found.classes or ()))
    wrong = next((label for label in counts if not 0 <= label < most), None)
    if wrong is not None:
        raise ValueError(
            f"{found.names[found.labels.tolist().index(wrong)]}: label {wrong}; expected 0 to "
            f"{most - 1}, since every class needs an image; number the classes from 0"
        )
    names = found.classes or tuple(map(str, range(int(found.labels.max()) + 1)))
    return {name: counts[label] for label, name in enumerate(names)}


def _size(found: encoded.Encoded, index: int) -> tuple[int, int, int]:
    """Height, width and channels of an image, as its header says."""
    return header(found.names[index], found.contents[index])
