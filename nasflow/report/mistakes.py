"""What the trained network gets wrong on the test set: classes, pairs, pictures.

Made from predictions.parquet, which `evaluate` wrote. Pictures of the worst mistakes are read from
the test split afterwards, for people to look at; nothing is decided by them.
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

WORST = 24
PAIRS = 8
SIDE = 96  # pixels of a picture at most: 24 of 32 x 32 are 60 kB in a page


class Mistake(NamedTuple):
    """An image with what it is and what it was taken for; `source` is a PNG as a data URI, None
    where the test split is not there. Loss in nats."""

    image: int
    label: str
    predicted: str
    probability: float
    loss: float
    source: str | None


class ClassResult(NamedTuple):
    """`right` of the `images` of a class; `taken` images in all were taken for it."""

    name: str
    images: int
    right: int
    taken: int


class Pair(NamedTuple):
    """Images of `label` that were taken for `predicted`."""

    label: str
    predicted: str
    images: int


def by_class(predictions: pa.Table, classes: Sequence[str]) -> list[ClassResult]:
    """In the order of the classes."""
    label, predicted = (predictions[c].to_numpy() for c in ("label", "predicted"))
    return [
        ClassResult(
            name,
            int((label == i).sum()),
            int(((label == i) & (predicted == i)).sum()),
            int((predicted == i).sum()),
        )
        for i, name in enumerate(named(classes))
    ]


def pairs(predictions: pa.Table, classes: Sequence[str]) -> list[Pair]:
    """The PAIRS most frequent confusions; ties in the order of the classes."""
    names = named(classes)
    label, predicted = (predictions[c].to_pylist() for c in ("label", "predicted"))
    found = Counter((a, b) for a, b in zip(label, predicted, strict=True) if a != b)
    most = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:PAIRS]
    return [Pair(names[a], names[b], count) for (a, b), count in most]


def worst(predictions: pa.Table, classes: Sequence[str], data: Path) -> list[Mistake]:
    """The WORST mistakes by loss, the worst first; `data` is the folder that prepare wrote."""
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
    """(H, W, C) uint8 as a data URI; of other than 1 or 3 channels the first is shown."""
    shown = image if image.shape[2] == 3 else image[:, :, 0]
    found = Image.fromarray(shown)
    if max(found.size) > SIDE:
        found.thumbnail((SIDE, SIDE))
    content = io.BytesIO()
    found.save(content, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
