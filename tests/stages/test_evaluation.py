"""The metrics of a test are the sums of its predictions, and those of a plain loop."""

from __future__ import annotations

import json
from pathlib import Path

from cases import logits

from nasflow.records.predictions import score
from nasflow.stages.evaluation import evaluate
from nasflow.storage.checkpoint import read_checkpoint
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


def test_with_mirrored_images_the_outputs_of_both_are_added(searched: Path, tmp_path: Path) -> None:
    search, data = searched / "nasgd/seed_0", searched / "data"
    evaluate(
        config=json.dumps({"augment": {"flip": True}}),
        data=data,
        network=search / "final/network",
        search=search / "search/summary.json",
        pretrain=search / "pretrain/status.json",
        out=tmp_path / "metrics.json",
        device="cpu",
        threads=1,
    )
    test = read_split(data, "test", "cpu")
    images, labels = test.chunk(0, len(test))
    network = read_checkpoint(search / "final/network").network
    once, again = logits(network, images), logits(network, images.flip(3))
    right = ((once + again).argmax(1) == labels).double().mean().item()
    assert right != (once.argmax(1) == labels).double().mean().item()
    assert read_json(tmp_path / "metrics.json")["test_accuracy_mirrored"] == right
