"""The metrics of a test are the sums of its predictions."""

from __future__ import annotations

from pathlib import Path

from nasflow.records.predictions import score
from nasflow.storage.files import read_json
from nasflow.storage.splits import read_split
from nasflow.storage.tables import read_table


def test_metrics_are_the_sums_of_the_predictions(searched: Path) -> None:
    final = searched / "nasgd/seed_0/final"
    rows = read_table(final / "predictions.parquet").to_pylist()
    metrics = read_json(final / "metrics.json")
    assert score(rows) == (metrics["test_loss"], metrics["test_accuracy"])
    test = read_split(searched / "data", "test", "cpu")
    assert [row["label"] for row in rows] == test.labels.tolist()
    assert set(metrics["files"]) == {"images.json", "predictions.parquet", "summary.txt"}
