"""What `prepare` would find, as far as it can be known without decoding a picture.

Names, labels, classes and splits are read and checked by the functions that `prepare` uses. Of each
picture only the header is read, which tells its size. One header takes 0.1 to 0.2 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nasflow.config.class_weights import unknown
from nasflow.config.data import Data
from nasflow.config.kinds import Source
from nasflow.data.datasets import divided
from nasflow.data.encoded import Encoded
from nasflow.data.image_sources import KEYS, described, listed
from nasflow.data.labels import Labels
from nasflow.data.picture import header

MOST = 50_000  # headers of each part that are read, of evenly spaced pictures


class Header(NamedTuple):
    """What the header of a picture says.

    Attributes:
        name: the name of the picture.
        height: pixels, once the picture is turned upright.
        width: pixels, too.
        channels: 1 for grey, otherwise 3.
    """

    name: str
    height: int
    width: int
    channels: int


class Rehearsal(NamedTuple):
    """What `prepare` would find.

    Attributes:
        labels: for each part that has a path (train, validation, test), its labels, int64 (n,).
        classes: the names of the classes.
        counts: the number of images in each split.
        headers: those of the pictures of all parts.
    """

    labels: dict[str, Labels]
    classes: tuple[str, ...]
    counts: dict[str, int]
    headers: list[Header]


def rehearse(data: Data, keys: dict[str, str] = KEYS) -> Rehearsal:
    """Look at the pictures of a configuration as `prepare` does, without decoding them.

    Args:
        data: the section `data` of the configuration; its source is folder or parquet.
        keys: the key of the configuration, or the option, that names each path, for messages.

    Raises:
        ValueError: if `prepare` would refuse the pictures; the message is one line. Also if a class
            of `data.class_weights` is not there, with one line for each.
    """
    paths = {"train": data.train, "validation": data.validation, "test": data.test}
    if data.train is None:
        raise ValueError(f"data.train: null; expected a path, since data.source is {data.source}")
    parts, labels, classes = described(data.source, paths, keys)
    if lines := unknown(data.class_weights, classes):
        raise ValueError("\n".join(lines))
    found = listed(parts, labels, classes, None)
    splits = dict(zip(KEYS, divided(found, data), strict=True))
    counts = {split: len(part.labels) for split, part in splits.items()}
    headers = [one for part in parts.values() for one in _headers(part)]
    return Rehearsal(labels, classes, counts, headers)


def unknown_classes(data: Data) -> list[str]:
    """List the classes of `data.class_weights` that own pictures do not have, one line for each.

    No picture is opened. The classes of a built-in source, and pictures that `prepare` would
    refuse, are not looked at.
    """
    own = data.source in (Source.FOLDER, Source.PARQUET) and data.train is not None
    if not own:
        return []
    try:
        classes = described(data.source, {"train": data.train})[2]
    except ValueError:
        return []
    return unknown(data.class_weights, classes)


def check_sizes(headers: list[Header]) -> None:
    """Refuse pictures of several sizes, as `prepare` does where `data.size` is not given.

    Raises:
        ValueError: names the first picture whose size differs from that of the first one.
    """
    first = headers[0]
    for other in headers:
        if other[1:3] != first[1:3]:
            raise ValueError(
                f"{other.name}: {other.width} x {other.height} pixels, but {first.name} has"
                f" {first.width} x {first.height}; expected one size; set data.size to resize them"
            )


def _headers(part: Encoded) -> Iterator[Header]:
    """Read headers of a part in their order, because pictures of a Parquet file are streamed."""
    for i in np.unique(np.linspace(0, len(part.names) - 1, min(MOST, len(part.names))).astype(int)):
        yield Header(part.names[i], *header(part.names[i], part.contents[i]))
