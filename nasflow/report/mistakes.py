"""What the trained network gets wrong on the test set: by class, by pair of classes, in pictures.

The numbers come from predictions.parquet, which `evaluate` wrote. The pictures of the worst
mistakes are read from the test split afterwards, for people to look at. Nothing is decided by them.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image

from nasflow.charts.search_charts import named
from nasflow.storage.splits import read_split

WORST = 24  # pictures
PAIRS = 8  # rows of the table of confusions
SIDE = 96  # pixels of the side of a picture, at most; 24 pictures of 32 x 32 take 60 kB in a page


class Mistake(NamedTuple):
    """A test image that is classified wrongly.

    Attributes:
        image: its place in the test split, from 0.
        label: the name of its true class.
        predicted: the name of the predicted class.
        probability: the probability that the network gives to the predicted class.
        loss: the cross-entropy in nats; None where it is not finite.
        source: the picture as a data URI (PNG); None where the test split is missing.
    """

    image: int
    label: str
    predicted: str
    probability: float
    loss: float | None
    source: str | None


class ClassResult(NamedTuple):
    """How the images of one class are classified.

    Attributes:
        name: the name of the class.
        images: how many test images belong to it.
        right: how many of these are classified as this class.
        taken: how many test images of all classes are classified as this class.
    """

    name: str
    images: int
    right: int
    taken: int


class Pair(NamedTuple):
    """How many images of the class `label` are classified as the class `predicted`."""

    label: str
    predicted: str
    images: int


def by_class(predictions: pa.Table, classes: Sequence[str]) -> list[ClassResult]:
    """Count the correct and the wrong predictions of each class, in the order of the classes.

    Args:
        predictions: predictions.parquet.
        classes: the names of the classes, by number.
    """
    label, predicted = (predictions[c].to_numpy() for c in ("label", "predicted"))
    counted = (label, label[label == predicted], predicted)
    columns = (np.bincount(one, minlength=len(classes)).tolist() for one in counted)
    return [ClassResult(*row) for row in zip(named(classes), *columns, strict=True)]


def pairs(predictions: pa.Table, classes: Sequence[str]) -> list[Pair]:
    """Find the PAIRS most frequent confusions; ties stand in the order of the classes.

    Args:
        predictions: predictions.parquet.
        classes: the names of the classes, by number.
    """
    names = named(classes)
    label, predicted = (predictions[c].to_pylist() for c in ("label", "predicted"))
    found = Counter((a, b) for a, b in zip(label, predicted, strict=True) if a != b)
    most = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:PAIRS]
    return [Pair(names[a], names[b], count) for (a, b), count in most]


def worst(predictions: pa.Table, classes: Sequence[str], data: Path) -> list[Mistake]:
    """Find the WORST mistakes with the highest loss, the highest first.

    Args:
        predictions: predictions.parquet.
        classes: the names of the classes, by number.
        data: the folder that the stage `prepare` wrote, with the test split.
    """
    wrong = [row for row in predictions.to_pylist() if row["label"] != row["predicted"]]
    rows = sorted(wrong, key=lambda row: (-(row["loss"] or 0.0), row["image"]))[:WORST]
    names = named(classes)
    there = rows and (data / "test.safetensors").exists()
    images = read_split(data, "test", "cpu").images.numpy() if there else None
    return [
        Mistake(
            row["image"],
            names[row["label"]],
            names[row["predicted"]],
            row["probability"],
            row["loss"],
            None if images is None else picture(images[row["image"]]),
        )
        for row in rows
    ]


def picture(image: np.ndarray[Any, Any]) -> str:
    """Write an image as a PNG in a data URI.

    Args:
        image: uint8, (height, width, channels). Three channels are shown in colour; with any other
            number of channels the first one is shown in grey.
    """
    shown = image if image.shape[2] == 3 else image[:, :, 0]
    found = Image.fromarray(shown)
    if max(found.size) > SIDE:
        found.thumbnail((SIDE, SIDE))
    content = io.BytesIO()
    found.save(content, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
