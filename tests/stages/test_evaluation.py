"""The metrics of a test are the sums of its predictions, and those of a plain loop."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cases import logits

from nasflow.records.predictions import score
from nasflow.stages import evaluation
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


def test_with_mirrored_images_the_outputs_of_both_are_added(
    searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, data = searched / "nasgd/seed_0", searched / "data"
    test, network = read_split(data, "test", "cpu"), read_checkpoint(search / "final/network")
    noise = torch.randint(256, (300, *test.images.shape[1:]), generator=torch.manual_seed(0))
    seen = replace(test, images=noise.to(torch.uint8), labels=torch.zeros(300, dtype=torch.int64))
    images = seen.chunk(0, len(seen))[0]
    both = logits(network.network, images) + logits(network.network, images.flip(3))
    split = replace(seen, labels=both.argmax(1))  # so that only the sum is always right
    monkeypatch.setattr(evaluation, "read_split", lambda *_: split)
    evaluation.evaluate(
        config=json.dumps({"augment": {"flip": True}}),
        data=data,
        network=search / "final/network",
        search=search / "search/summary.json",
        pretrain=search / "pretrain/status.json",
        out=tmp_path / "metrics.json",
        device="cpu",
        threads=1,
    )
    metrics = read_json(tmp_path / "metrics.json")
    assert metrics["test_accuracy_mirrored"] == 1.0 > metrics["test_accuracy"]
