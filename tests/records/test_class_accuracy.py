"""Balanced accuracy gives every class the same weight."""

from __future__ import annotations

import pytest

from nasflow.records.class_accuracy import by_class, worst


def test_always_the_largest_class_is_balanced_at_one_in_so_many() -> None:
    rows = [{"label": label, "predicted": 0} for label in (0, 0, 0, 0, 0, 0, 1, 1, 2)]
    found = by_class(rows, ("a", "b", "c", "d"))
    assert found["balanced_accuracy"] == pytest.approx(1 / 3)
    assert found["classes"][0] == {"name": "a", "images": 6, "recall": 1.0, "precision": 6 / 9}
    assert [row["precision"] for row in found["classes"][1:]] == [None] * 3
    assert worst(found["classes"]) == "'b' 0.00% of 2, 'c' 0.00% of 1, 'a' 100.00% of 6"
