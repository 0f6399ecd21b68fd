"""Accuracy of each class: where classes differ in size, the mean over images hides small classes.

The recall of a class is the fraction of its images that are classified as this class. The precision
of a class is the fraction of the images classified as this class that belong to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nasflow.printable import printable

WORST = 3


def by_class(rows: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> dict[str, Any]:
    """Compute the balanced accuracy, and the recall and precision of each class.

    Args:
        rows: the rows of predictions.parquet; `label` and `predicted` are numbers of classes.
        classes: the names of the classes, by number.

    Returns:
        `balanced_accuracy`, the mean recall of the classes that occur among the labels, between 0
        and 1; and `classes`, a list with `name`, `images` (how many have this label), `recall` and
        `precision` of each class. Recall is None for a class without images, precision is None for
        a class that was never predicted.
    """
    count = len(classes)
    labels, predicted = (np.array([row[key] for row in rows]) for key in ("label", "predicted"))
    right = np.bincount(labels[labels == predicted], minlength=count)
    there, said = np.bincount(labels, minlength=count), np.bincount(predicted, minlength=count)
    recall = [_ratio(*pair) for pair in zip(right, there, strict=True)]
    found = [one for one in recall if one is not None]
    table = zip(classes, there.tolist(), recall, map(_ratio, right, said), strict=True)
    names = ("name", "images", "recall", "precision")
    return {
        "balanced_accuracy": sum(found) / len(found),
        "classes": [dict(zip(names, row, strict=True)) for row in table],
    }


def worst(classes: Sequence[Mapping[str, Any]]) -> str:
    """Name the WORST classes with the lowest recall, such as `'8' 94.29% of 35, ...`.

    Args:
        classes: the list `classes` that `by_class` returns.
    """
    there = sorted((row for row in classes if row["images"]), key=lambda row: row["recall"])
    return ", ".join(
        f"'{printable(row['name'])}' {row['recall']:.2%} of {row['images']}"
        for row in there[:WORST]
    )


def _ratio(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None
