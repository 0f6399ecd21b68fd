"""The summary says what its accuracies count: uneven classes, weights, mirror images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nasflow.architecture.templates import chain
from nasflow.records.summary import summary_text

SEARCHED: dict[str, Any] = {"reason": "none", "lineage": []}
MEASURED: dict[str, Any] = {
    **{"algorithm": "nasgd", "rounds": 0, "recentred": 0, "architectures": 0},
    **{"parameters": 9, "flops": 9, "conv_layers": 1, "validation_accuracy": 0.7},
    **{"test_accuracy": 0.75, "test_error": 0.25, "test_images": 8, "balanced_accuracy": 0.5},
    "classes": [{"name": "a", "images": 2, "recall": 0.0}],
    "seconds": {"pretrain": 1.0, "search": 0.0, "final": 1.0},
    "verdict": {"text": ["Nothing was searched."]},
}


def described(largest: int) -> dict[str, Any]:
    """data.json of two classes, of which the larger one has `largest` training images."""
    counts = {"train": [10, largest], "validation": [2, 6], "test": [2, 6]}
    data = {"classes": ["a", "b"], "channels": 1, "height": 8, "width": 8, "counts": counts}
    data |= {"duplicates": {"validation": 0, "test": 0}, "balance": {"ratio": largest / 10}}
    return data


@pytest.mark.parametrize("weights", [None, "balanced"])
@pytest.mark.parametrize("largest", [30, 31])
def test_balanced_accuracy_stands_beside_the_accuracy_of_uneven_classes(
    largest: int, weights: str | None, tmp_path: Path
) -> None:
    metrics, data = MEASURED | ({"class_weights": weights} if weights else {}), described(largest)
    g = chain((4,), 3, (1, 8, 8), 2)
    text = summary_text(metrics, SEARCHED, data, g, tmp_path)
    assert "final training used" not in text
    again = summary_text(metrics, SEARCHED, data, g, tmp_path, seen=True)
    assert ", on images that the final training used\n" in again
    assert ("8 images; 50.00% balanced accuracy\n" in text) == (largest > 30)
    assert ("70.00% accuracy, weighted by class" in text) == (weights is not None)


@pytest.mark.parametrize("accuracy", [None, 0.875])
def test_the_accuracy_with_mirror_images_stands_behind_that_of_the_test(
    accuracy: float | None, tmp_path: Path
) -> None:
    metrics = MEASURED | {"test_accuracy_mirrored": accuracy}
    g = chain((4,), 3, (1, 8, 8), 2)
    lines = summary_text(metrics, SEARCHED, described(20), g, tmp_path).splitlines()
    behind = lines[next(i for i, line in enumerate(lines) if line.startswith("  test ")) + 1]
    assert ("87.50% accuracy with mirror images" in behind) == (accuracy is not None)
