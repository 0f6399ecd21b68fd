"""`nasflow.fit` plans as `nasflow init` does, and hands the plan to a search in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nasflow
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import Precision
from nasflow.config.reading import parse
from nasflow.planning import speed
from nasflow.planning.sizing import PORTFOLIO
from nasflow.stages import fit_arrays


def digits(count: int = 300, side: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Images of which every class is bright at another place, so that a shift changes the class."""
    labels, rng = np.arange(count) % 4, np.random.default_rng(0)
    images = rng.integers(0, 60, (count, side, side)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * side // 4 : (label + 1) * side // 4] += 150
    return images, labels


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Replace the search by a list of what it was given, and the measurement by an answer."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        fit_arrays, "run_search", lambda *given, **more: calls.append((given, more))
    )
    monkeypatch.setattr(
        speed, "training_speed", lambda *given: speed.Speed(1e9 if "bf" in given[-1] else 2e9, 1.0)
    )
    return calls


def test_the_plan_is_that_of_init_and_fits_the_time(planned: list[tuple[Any, ...]]) -> None:
    nasflow.fit(*digits(), minutes=10, seed=3, threads=5)
    (_, more) = planned[0]
    assert more["seed"] == 3 and more["threads"] == 2 and more["algorithm"] == "nasgd"
    sections = {name: keys for name, keys in more.items() if name in fit_arrays.PLANNED}
    experiment = parse(Experiment, sections)
    assert tuple(experiment.base.portfolio) == PORTFOLIO
    assert experiment.search.precision == Precision.FLOAT32  # the faster one
    assert 590.0 < experiment.final.total_seconds <= 600.0
    assert 0.29 < experiment.budget.seconds / experiment.final.total_seconds < 0.31
    assert experiment.augment.flip and not experiment.augment.shift  # the row carries the class
    assert experiment.search.batch_size == 16 and experiment.final.use_validation
    nasflow.fit(*digits(), minutes=10, final={"label_smoothing": 0.0}, device="cuda")
    (_, more) = planned[1]
    assert more["final"]["label_smoothing"] == 0.0 and more["final"]["optimizer"] == "muon"
    assert more["search"]["precision"] == "bfloat16" and more["device"] == "cuda"


def test_large_images_are_resized_as_init_does_it(planned: list[tuple[Any, ...]]) -> None:
    images, labels = digits(40, 96)
    nasflow.fit(images, labels, minutes=2)
    (pixels, names), _ = planned[0]
    assert pixels.shape == (40, 64, 64, 1) and names.tolist() == labels.tolist()
    with pytest.raises(ValueError, match="2 channels of 96 x 96; expected 1 or 3"):
        nasflow.fit(np.stack([images, images], 3), labels)


@pytest.mark.parametrize(
    ("images", "labels", "minutes", "problem"),
    [
        (np.zeros((20, 8, 8)), np.arange(20) % 2, 2, r"^images: float64 \(20, 8, 8\); expected"),
        (digits(20)[0], [0, 1], 2, r"^labels: \(2,\); expected one for each of 20 images$"),
        (digits(20)[0], [0] * 20, 2, "^images: 20 of 1 classes; expected at least 10 images and"),
        (digits(4)[0], [0, 1, 0, 1], 2, "^images: 4 of 2 classes; expected at least 10"),
        (*digits(20), 0.01, "^minutes: 0.01; expected 0.1 to 10000"),
    ],
)
def test_what_cannot_be_planned_is_one_line(
    images: Any, labels: Any, minutes: float, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        nasflow.fit(images, labels, minutes=minutes)
    assert "\n" not in str(caught.value)
