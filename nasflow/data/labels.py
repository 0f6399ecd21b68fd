"""Labels of images, checked: whole numbers from 0 that fit the class names.

Wrong labels are a ValueError of one line that names the image or the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nasflow.data.encoded import Encoded

Labels = npt.NDArray[np.int64]


def whole(labels: npt.NDArray[Any], names: Sequence[str], where: str) -> Labels:
    """Check labels and convert them.

    Args:
        labels: the labels as they were found.
        names: the name of each image, for messages.
        where: the name of the source, for messages.

    Returns:
        The labels, int64 (n,).

    Raises:
        ValueError: if there are none, or if they are not whole numbers from 0, in one dimension.
    """
    if not len(labels):
        raise ValueError(f"{where}: no images; expected some of each class; add images")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: labels of shape {labels.shape} and type {labels.dtype};"
            f" expected one whole number for each image; number the classes"
        )
    wrong = np.flatnonzero(labels < 0)
    if len(wrong):
        raise ValueError(
            f"{names[wrong[0]]}: label {labels[wrong[0]]}; expected 0 or more;"
            f" remove the unlabelled images or number the classes from 0"
        )
    return labels.astype(np.int64)


def check_classes(labels: Labels, names: tuple[str, ...] | None, where: str) -> tuple[str, ...]:
    """Check that the train labels fit the class names.

    Args:
        labels: the train labels, int64 (n,), with n > 0.
        names: the class names, or None when the source has none.
        where: the name of the source, for messages.

    Returns:
        The class names. Without names they are the numbers of the classes.

    Raises:
        ValueError: if there are fewer than two classes, if a class has no train image, or if a
            label has no name.
    """
    present = np.unique(labels)
    count = len(names) if names else int(present[-1]) + 1
    if present[-1] >= count:
        raise ValueError(f"{where}: label {present[-1]}, but {count} class names; name every class")
    if count < 2:
        raise ValueError(f"{where}: {count} class; expected 2 or more; add another class")
    if len(present) < count:
        absent = next(i for i in range(count) if i >= len(present) or present[i] != i)
        called = f" ('{names[absent]}')" if names else ""
        raise ValueError(
            f"{where}: no train image of class {absent}{called}; expected some of each of the"
            f" {count} classes; add images or number the classes without gaps"
        )
    return names or tuple(map(str, range(count)))


def renumbered(part: Encoded, classes: tuple[str, ...], where: str) -> Labels:
    """Number the labels of another part as in train: by class name where the part has names.

    Args:
        part: the validation or test images, with their labels as they were found.
        classes: the class names of train.
        where: the name of the part, for messages.

    Returns:
        The labels, int64 (n,), which are positions in `classes`.

    Raises:
        ValueError: if a label is no whole number from 0, or if its class is not in train.
    """
    labels = whole(part.labels, part.names, where)
    names = part.classes or classes
    unknown = next((name for name in names if name not in classes), None)
    if unknown is not None:
        raise ValueError(
            f"{where}: class '{unknown}' is not in data.train; remove it or add it there"
        )
    over = np.flatnonzero(labels >= len(names))
    if len(over):
        raise ValueError(
            f"{part.names[over[0]]}: label {labels[over[0]]}, but data.train has {len(classes)}"
            f" classes; remove the image or add its class to data.train"
        )
    return np.array([classes.index(name) for name in names], dtype=np.int64)[labels]
