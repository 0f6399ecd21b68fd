"""Colours single out the parent and the winner, and pictures are reproducible."""

from __future__ import annotations

from nasflow.charts import search_charts
from nasflow.charts.charts import CHILDREN, colours, png
from nasflow.records.timeline import Look


def test_the_parent_is_grey_and_who_won_is_green_alone() -> None:
    found = colours([str(i) for i in range(40)], winner=7)
    assert found.count(found[7]) == found.count(found[0]) == 1 and found[7] not in CHILDREN


def test_pictures_are_pngs_with_the_same_bytes() -> None:
    looks = [Look(1.0, 0.5, "pretraining", "epoch 1"), Look(3.0, 0.6, "search", "round 1", True)]
    first, second = (png(search_charts.accuracy(looks), scale=0.5) for _ in range(2))
    assert first == second and first.startswith(b"\x89PNG")
