"""A quick look at images that nobody has prepared yet: how many, of which classes, how large.

Of pictures on disk only the headers are read, of many a sample; whether each can be decoded is for
`prepare` to say.
"""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nasflow.data import encoded
from nasflow.data.pictures import FORMATS, GREY

LOOKED_AT = 2000  # headers, evenly spaced
KNOWN: dict[str, tuple[int, int, tuple[int, int, int], int]] = {
    "digits": (1797, 0, (8, 8, 1), 10),
    "cifar10": (50_000, 10_000, (32, 32, 3), 10),
    "cifar100": (50_000, 10_000, (32, 32, 3), 100),
    "fashion_mnist": (60_000, 10_000, (28, 28, 1), 10),
    "svhn": (73_257, 26_032, (32, 32, 3), 10),
}


class Survey(NamedTuple):
    """Images given for training and for testing (0: none of their own), (height, width, channels)
    of the median image, whether all that were looked at have that size, and images a class."""

    images: int
    test: int
    size: tuple[int, int, int]
    uniform: bool
    classes: dict[str, int]


def survey(source: str, train: Path | None, test: Path | None) -> Survey:
    """ValueError, one line, where there is nothing to look at."""
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
    names = found.classes or tuple(map(str, range(int(found.labels.max()) + 1)))
    return {name: counts[label] for label, name in enumerate(names)}


def _size(found: encoded.Encoded, index: int) -> tuple[int, int, int]:
    """(height, width, channels) by the header."""
    from PIL import Image

    content: Any = found.contents[index]
    try:
        stream = content if isinstance(content, Path) else io.BytesIO(content)
        with Image.open(stream, formats=FORMATS) as picture:
            return picture.height, picture.width, 1 if picture.mode in GREY else 3
    except Exception as error:  # Pillow's readers raise what they please
        raise ValueError(
            f"{found.names[index]}: no picture ({' '.join(str(error).split())}); "
            f"expected one of {', '.join(FORMATS)}; replace or remove it"
        ) from error
