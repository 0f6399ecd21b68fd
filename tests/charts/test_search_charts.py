"""The chart of confusions counts every image once."""

from __future__ import annotations

import numpy as np

from nasflow.charts import search_charts


def test_confusions_count_every_image_once() -> None:
    rng = np.random.default_rng(0)
    label, predicted = rng.integers(0, 5, (2, 400))
    rows = search_charts.confusion(label.tolist(), predicted.tolist(), list("abcde")).data["rows"]
    assert sum(row["images"] for row in rows) == 400
    assert sum(row["images"] for row in rows if row["right"]) == (label == predicted).sum()
