"""Labels of images, checked: whole numbers from 0 that fit the class names.

Wrong labels are a ValueError of one line that names the image or the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nasflow.data import class_names
from nasflow.data.encoded import Encoded
from nasflow.printable import shown

LARGEST = 2**40  # labels above it are no numbers of classes

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
    wrong = np.flatnonzero(labels > LARGEST)
    if len(wrong):
        raise ValueError(
            f"{names[wrong[0]]}: label {labels[wrong[0]]}; expected numbers of classes, such as 0,"
            " 1, 2; number the classes from 0 without gaps"
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
        ValueError: if there are fewer than two classes, if a class has no train image, if a
            label has no name, or if two classes have the same name.
    """
    class_names.check(names or (), where)
    present = np.unique(labels)
    count = len(names) if names else int(present[-1]) + 1
    if present[-1] >= count:
        raise ValueError(f"{where}: label {present[-1]}, but {count} class names; name every class")
    if count < 2:
        raise ValueError(f"{where}: {count} class; expected 2 or more; add another class")
    if len(present) < count:
        absent = next(i for i in range(count) if i >= len(present) or present[i] != i)
        called = f" ({shown(names[absent])})" if names else ""
        raise ValueError(
            f"{where}: no train image of class {absent}{called}; expected some of each of the"
            f" {count} classes; add images or number the classes without gaps"
        )
    return names or tuple(map(str, range(count)))


def check_spelled(part: Encoded, where: str) -> None:
    """Refuse train labels that are texts and no classes: each of them is there only once.

    Args:
        part: the train images, with their labels as they were found.
        where: the name of the source, for messages.

    Raises:
        ValueError: if the labels are more than two texts, and no two of them are the same.
    """
    if part.spelled and part.classes and len(part.classes) == len(part.names) > 2:
        raise ValueError(
            f"{where}: {len(part.names)} images with {len(part.classes)} different texts as labels;"
            " expected several images of each class; take a column with the classes"
        )


def renumbered(part: Encoded, train: Encoded, classes: tuple[str, ...], where: str) -> Labels:
    """Number the labels of another part as in train: by class name where the part has names.

    Names are compared in one Unicode form.

    Args:
        part: the validation or test images, with their labels as they were found.
        train: the train images.
        classes: the class names of train.
        where: the name of the part, for messages.

    Returns:
        The labels, int64 (n,), which are positions in `classes`.

    Raises:
        ValueError: if a label is no whole number from 0, if its class is not in train, or if the
            labels are numbers without names where those of train are names.
    """
    labels = whole(part.labels, part.names, where)
    if train.spelled and not part.classes:
        raise ValueError(
            f"{where}: labels are numbers without names, but names in data.train; expected the"
            " same kind; give both as names"
        )
    names = class_names.keys(part.classes or classes)
    numbers = {name: number for number, name in enumerate(class_names.keys(classes))}
    unknown = next((i for i, name in enumerate(names) if name not in numbers), None)
    if unknown is not None:
        called = (part.classes or classes)[unknown]
        raise ValueError(
            f"{where}: class {shown(called)} is not in data.train; remove it or add it there"
        )
    class_names.check(part.classes or (), where)
    over = np.flatnonzero(labels >= len(names))
    if len(over):
        raise ValueError(
            f"{part.names[over[0]]}: label {labels[over[0]]}, but data.train has {len(classes)}"
            f" classes; remove the image or add its class to data.train"
        )
    return np.array([numbers[name] for name in names], dtype=np.int64)[labels]
