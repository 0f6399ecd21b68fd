"""The rows of predictions say what softmax and cross-entropy say."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from nasflow.records.predictions import prediction_rows, score


def test_rows_say_what_softmax_and_cross_entropy_say() -> None:
    logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 4
    rows = prediction_rows(logits, labels)
    loss, accuracy = score(rows)
    assert loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-6)
    assert accuracy == (logits.argmax(1) == labels).double().mean().item()
    assert len(rows) == 50
    for row in rows:
        assert row["loss"] == pytest.approx(-math.log(row["label_probability"]), rel=1e-9)
        assert row["probability"] >= row["label_probability"]
