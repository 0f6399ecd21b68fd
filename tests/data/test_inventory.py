"""The inventory says how even the classes are."""

from __future__ import annotations

from typing import Any

from nasflow.data import inventory


def test_uneven_classes_are_told_and_even_ones_too() -> None:
    facts: dict[str, Any] = {"classes": ["cat", "dog"], "channels": 3, "height": 4, "width": 6}
    facts |= {"duplicates": {"validation": 0, "test": 2}, "modes": {"RGBA": 3, "LA": 1, "RGB": 9}}
    counts = {"train": [30, 10], "validation": [3, 0], "test": [6, 2]}
    told = list(inventory.lines(facts | {"counts": counts}))
    assert told == [
        "40 train, 3 validation, 8 test images of 6 x 4, RGB; 2 classes",
        "classes are uneven: from 10 ('dog') to 30 ('cat') train images; always saying 'cat' is "
        "right for 75.0% of the test images: judge by balanced accuracy",
        "no validation image of 'dog'",
        "2 test images have the pixels of a train or validation image",
        "4 pictures have an alpha channel, which is dropped",
    ]
    even = list(inventory.lines(facts | {"counts": counts | {"train": [12, 10]}}))
    assert even[1] == "classes are even: 10 to 12 train images"
