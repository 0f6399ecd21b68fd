"""Photographs are cropped where the training is long enough and a shift keeps their class."""

from __future__ import annotations

from typing import Any

import pytest

from nasflow.config.data import Augment
from nasflow.config.reading import parse
from nasflow.planning.photographs import CROP, PASSES, suited

PHOTOGRAPHS: dict[str, Any] = {"channels": 3, "resized": True, "shifted": True, "passes": PASSES}


@pytest.mark.parametrize(
    ("other", "crop", "words"),
    [
        ({}, CROP, "photographs"),
        ({"passes": float("inf")}, CROP, "photographs"),
        ({"channels": 1}, 1.0, "only photographs"),
        ({"resized": False}, 1.0, "only photographs"),
        ({"shifted": False}, 1.0, "as a shift does"),
        ({"passes": PASSES - 1.0}, 1.0, "from 40 passes"),
    ],
)
def test_the_kind_of_data_and_the_time_decide(
    other: dict[str, Any], crop: float, words: str
) -> None:
    found = suited(**PHOTOGRAPHS | other)
    assert found.crop == crop and words in found.why
    assert parse(Augment, {"crop": found.crop}).crop == crop
