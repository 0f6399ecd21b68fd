"""The images of a source as a list, and a function that decodes them in the order asked for.

The images of each split come to lie side by side in one array, so that none is copied when the
splits are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nasflow.data import capacity, pictures
from nasflow.data.labels import Labels
from nasflow.data.pictures import Decoded, Images

Rows = npt.NDArray[np.int64]
BLOCK = 256  # images that are resized and copied together


class Labelled(NamedTuple):
    """Images with their labels and names.

    Attributes:
        images: uint8 (n, height, width, channels).
        labels: int64 (n,), from 0.
        names: the name of each image: the path of its file, the path and row of a Parquet file, or
            the data set and its position there.
    """

    images: Images
    labels: Labels
    names: tuple[str, ...]


class Source(NamedTuple):
    """What a source holds.

    Attributes:
        train: the train images; every class occurs among them.
        validation: the validation images, or None when the source has none of its own.
        test: the test images, or None when the source has none of its own.
        classes: the names of the labels 0, 1, ...
        modes: how many pictures on disk had each of Pillow's modes (L, RGB, ...); empty for a data
            set that comes from a library.
    """

    train: Labelled
    validation: Labelled | None
    test: Labelled | None
    classes: tuple[str, ...]
    modes: dict[str, int] = {}  # noqa: RUF012


class Part(NamedTuple):
    """Names and labels of images that are not decoded yet.

    Attributes:
        rows: the number of each image among all images of its source, int64 (n,).
        labels: int64 (n,), from 0.
        names: the name of each image: the path of its file, the path and row of a Parquet file, or
            the data set and its position there.
    """

    rows: Rows
    labels: Labels
    names: tuple[str, ...]


class Listed(NamedTuple):
    """What a source holds, before its images are decoded.

    Attributes:
        train: the train images; every class occurs among them.
        validation: the validation images, or None when the source has none of its own.
        test: the test images, or None when the source has none of its own.
        classes: the names of the labels 0, 1, ...
        decoded: takes rows and returns the images in this order, each once, and how many pictures
            on disk had each of Pillow's modes (L, RGB, ...). A data set that comes from a library
            has no modes. It raises a ValueError for images that cannot be read.
    """

    train: Part
    validation: Part | None
    test: Part | None
    classes: tuple[str, ...]
    decoded: Callable[[Rows], Decoded]


def in_memory(source: Source, size: int | None) -> Listed:
    """List the images of a source that are in memory already.

    Args:
        source: its images, which are copied, and resized, in the order asked for.
        size: the width and height in pixels to which images are resized, or None to keep them.

    Returns:
        The same source as a list.
    """
    parts = [part for part in (source.train, source.validation, source.test) if part is not None]
    ends = np.cumsum([len(part.names) for part in parts])
    found = {
        id(part): Part(np.arange(end - len(part.names), end), part.labels, part.names)
        for part, end in zip(parts, ends, strict=True)
    }

    def decoded(order: Rows) -> Decoded:
        images = _ordered([part.images for part in parts], order, size)
        return Decoded(images, dict(source.modes))

    return Listed(
        found[id(source.train)],
        found.get(id(source.validation)),
        found.get(id(source.test)),
        source.classes,
        decoded,
    )


def _ordered(arrays: Sequence[Images], order: Rows, size: int | None) -> Images:
    """The images of all arrays in this order, resized where a size is given."""
    height, width, channels = arrays[0].shape[1:]
    shape = (size or height, size or width, channels)
    capacity.check(len(order), shape)
    images, start = np.empty((len(order), *shape), dtype=np.uint8), 0
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    for array in arrays:
        for block in range(0, len(array), BLOCK):
            part = array[block : block + BLOCK]
            part = part if size is None else pictures.resize(part, size)
            images[places[start + block : start + block + len(part)]] = part
        start += len(array)
    return images
