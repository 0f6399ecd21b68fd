"""What a network predicts for each image of a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Row = dict[str, Any]


def prediction_rows(logits: Tensor, labels: Tensor) -> list[Row]:
    """Make the rows of predictions.parquet, one for each image, in the order of the split.

    Args:
        logits: the outputs of the network, (n, classes).
        labels: the true classes, (n,).

    Returns:
        Rows with `image` (its place in the split, from 0), `label`, `predicted` (the class with the
        highest logit), `probability` (of the predicted class), `label_probability` (of the true
        class) and `loss` (cross-entropy in nats).
    """
    logarithms = F.log_softmax(logits.double(), 1)
    predicted = logits.argmax(1)
    true = logarithms.gather(1, labels[:, None])[:, 0]
    likely = torch.gather(logarithms, 1, predicted[:, None])[:, 0]
    columns = (labels, predicted, likely.exp(), true.exp(), -true)
    names = ("label", "predicted", "probability", "label_probability", "loss")
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [{"image": i, **dict(zip(names, row, strict=True))} for i, row in enumerate(rows)]


def score(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the mean loss in nats, and the accuracy between 0 and 1, of prediction rows."""
    right = sum(row["label"] == row["predicted"] for row in rows)
    return sum(row["loss"] for row in rows) / len(rows), right / len(rows)
