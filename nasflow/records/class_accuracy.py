"""Accuracy class by class: where classes are uneven, the mean over images hides the small ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nasflow.printable import printable

WORST = 3


def by_class(rows: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> dict[str, Any]:
    """From the rows of predictions.parquet: balanced accuracy, which is the mean recall of the
    classes that occur; and of each class how many images there are, its recall (share of them
    found) and precision (share of what was called so that is); null where nothing is to divide
    by."""
    count = len(classes)
    labels, predicted = (np.array([row[key] for row in rows]) for key in ("label", "predicted"))
    right = np.bincount(labels[labels == predicted], minlength=count)
    there, said = np.bincount(labels, minlength=count), np.bincount(predicted, minlength=count)
    recall = [_share(*pair) for pair in zip(right, there, strict=True)]
    found = [one for one in recall if one is not None]
    table = zip(classes, there.tolist(), recall, map(_share, right, said), strict=True)
    names = ("name", "images", "recall", "precision")
    return {
        "balanced_accuracy": sum(found) / len(found),
        "classes": [dict(zip(names, row, strict=True)) for row in table],
    }


def worst(classes: Sequence[Mapping[str, Any]]) -> str:
    """`'8' 94.29 % of 35, ...`: the classes that are found least often."""
    there = sorted((row for row in classes if row["images"]), key=lambda row: row["recall"])
    return ", ".join(
        f"'{printable(row['name'])}' {row['recall']:.2%} of {row['images']}"
        for row in there[:WORST]
    )


def _share(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None
