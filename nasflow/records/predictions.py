"""What a network answers to each image of a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Row = dict[str, Any]


def prediction_rows(logits: Tensor, labels: Tensor) -> list[Row]:
    """A row an image, in the order of the split: its label, the class predicted, the probabilities
    of both, the loss in nats. logits (n, classes), labels (n,)."""
    logarithms = F.log_softmax(logits.double(), 1)
    predicted = logits.argmax(1)
    true = logarithms.gather(1, labels[:, None])[:, 0]
    likely = torch.gather(logarithms, 1, predicted[:, None])[:, 0]
    columns = (labels, predicted, likely.exp(), true.exp(), -true)
    names = ("label", "predicted", "probability", "label_probability", "loss")
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [{"image": i, **dict(zip(names, row, strict=True))} for i, row in enumerate(rows)]


def judged(rows: Sequence[Row]) -> tuple[float, float]:
    """(mean loss in nats, accuracy)."""
    right = sum(row["label"] == row["predicted"] for row in rows)
    return sum(row["loss"] for row in rows) / len(rows), right / len(rows)
