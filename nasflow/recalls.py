"""Accuracy class by class: where classes are uneven, the mean over images hides the small ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nasflow.sections import printable

Numbers = npt.NDArray[np.int64]
WORST = 3


def by_class(labels: Numbers, predicted: Numbers, classes: Sequence[str]) -> dict[str, Any]:
    """Balanced accuracy, the mean recall of the classes that occur, and of each class how many
    images there are, its recall (share of them found) and precision (share of what was called so
    that is); null where there is none to divide by."""
    count = len(classes)
    right = np.bincount(labels[labels == predicted], minlength=count)
    there, said = np.bincount(labels, minlength=count), np.bincount(predicted, minlength=count)
    recall = [_share(*pair) for pair in zip(right, there, strict=True)]
    found = [one for one in recall if one is not None]
    rows = zip(classes, there.tolist(), recall, map(_share, right, said), strict=True)
    names = ("name", "images", "recall", "precision")
    return {
        "balanced_accuracy": sum(found) / len(found),
        "classes": [dict(zip(names, row, strict=True)) for row in rows],
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
