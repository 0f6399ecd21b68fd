"""What evaluate keeps of every test image."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import tree

from nasflow.records.predictions import judged, prediction_rows
from nasflow.storage.files import read_json
from nasflow.storage.splits import read_split
from nasflow.storage.tables import read_table


def test_rows_say_what_softmax_and_cross_entropy_say() -> None:
    logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 4
    rows = prediction_rows(logits, labels)
    loss, accuracy = judged(rows)
    assert loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-6)
    assert accuracy == (logits.argmax(1) == labels).double().mean().item()
    for row in rows:
        assert row["loss"] == pytest.approx(-math.log(row["label_probability"]), rel=1e-9)
        assert row["probability"] >= row["label_probability"]


def test_metrics_are_the_sums_of_the_predictions(tmp_path: Path) -> None:
    experiment = tree.finished(tmp_path / "tiny", rounds=1)
    final = experiment / "nasgd/seed_0/final"
    rows = read_table(final / "predictions.parquet").to_pylist()
    metrics = read_json(final / "metrics.json")
    assert judged(rows) == (metrics["test_loss"], metrics["test_accuracy"])
    test = read_split(experiment / "data", "test", "cpu")
    assert [row["label"] for row in rows] == test.labels.tolist()
    assert set(metrics["files"]) == {"images.json", "predictions.parquet", "summary.txt"}
