"""A search is better than a fixed network only where its test images, or its seeds, show it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nasflow.records.rivals import Ended, Rival, Worth, compared, rivals

IMAGES = 359


def _ended(algorithm: str, wrong: int, seed: int = 0, seconds: float = 60.0) -> Ended:
    correct = np.arange(IMAGES) >= wrong
    return Ended(algorithm, seed, IMAGES - wrong, IMAGES, seconds, correct)


def _rival(own: int, other: int, **more: float) -> Rival:
    (found,) = compared([_ended("nasgd", own), _ended("chain7", other, **more)])  # type: ignore[arg-type]
    return found


def test_one_image_is_no_difference() -> None:
    found = _rival(6, 7)
    assert found.worth == Worth.EQUAL
    assert "+0.28 points (1 image; 95 % interval" in found.text
    assert "no difference that 359 images could show. Both trained for about 60 s." in found.text
    assert _rival(7, 7).worth == Worth.EQUAL and "(0 images;" in _rival(7, 7).text


def test_better_and_worse_are_said_with_the_luck_of_one_seed() -> None:
    better, worse = _rival(5, 30), _rival(30, 5)
    assert (better.worth, worse.worth) == (Worth.BETTER, Worth.WORSE)
    assert "nasgd is better, with this one seed; another seed may turn it round." in better.text
    assert "nasgd is worse: it was not worth its time" in worse.text
    assert better.difference.low == pytest.approx(-worse.difference.high)


def test_unequal_times_are_said() -> None:
    said = _rival(6, 7, seconds=30.0).text
    assert "did not train equally long: nasgd for 60 s, chain7 for 30 s." in said


def test_several_seeds_are_compared_by_their_spread() -> None:
    own = [_ended("nasgd", wrong, seed) for seed, wrong in enumerate((5, 6, 7))]
    none = [_ended("none", wrong, seed) for seed, wrong in enumerate((25, 27, 26, 9))]
    (found,) = compared([*own, *none])
    assert (found.worth, found.seeds) == (Worth.BETTER, (0, 1, 2))
    assert "(3 seeds; 95 % interval" in found.text and "another seed" not in found.text
    wide = [_ended("none", wrong, seed) for seed, wrong in enumerate((4, 8, 6))]
    (found,) = compared([*own, *wide])
    assert found.worth == Worth.EQUAL and "no difference that 3 seeds could show" in found.text


def test_two_fixed_networks_and_foreign_seeds_are_not_compared() -> None:
    assert compared([_ended("chain7", 3), _ended("none", 4)]) == []
    assert compared([_ended("nasgd", 3, 0), _ended("none", 4, 1)]) == []


def test_searches_on_disk_are_compared_by_their_predictions(tiny: Path, tmp_path: Path) -> None:
    paths = [tiny / "nasgd/seed_0", tmp_path / "random/seed_0"]
    assert rivals(paths) == []  # the second one has not ended
    (tmp_path / "random").symlink_to(tiny / "nash")
    (found,) = rivals(paths)
    assert (found.algorithm, found.rival) == ("nasgd", "random")
    assert found.entry()["worth"] in list(Worth)
