"""What logits are worth: loss and accuracy, and image by image the class said and how surely."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor

EVALUATION_BATCH = 250  # sums of so many images are added up, whoever adds


def score(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Summed loss (nats) and how many are right of a batch."""
    loss = F.cross_entropy(logits, labels, reduction="sum")
    return loss.item(), float((logits.argmax(1) == labels).sum().item())


def mean_score(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean loss (nats) and accuracy of a whole split: the numbers of `Siblings.evaluate`."""
    starts = range(0, len(labels), EVALUATION_BATCH)
    chunks = (slice(start, start + EVALUATION_BATCH) for start in starts)
    sums = [score(logits[chunk], labels[chunk]) for chunk in chunks]
    loss, accuracy = np.array(sums).sum(0) / len(labels)
    return float(loss), float(accuracy)


def predictions(logits: Tensor, labels: Tensor) -> Iterator[dict[str, Any]]:
    """Rows of predictions.parquet: image (its place in the split), label, the class predicted, the
    probability of that class and of the label."""
    probabilities = F.softmax(logits.double(), dim=1).cpu()
    best = logits.argmax(1).cpu()
    chosen = probabilities.gather(1, best[:, None])[:, 0]
    true = probabilities.gather(1, labels.cpu()[:, None])[:, 0]
    columns = (labels.cpu(), best, chosen, true)
    names = ("label", "predicted", "probability", "label_probability")
    for image, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        yield {"image": image, **dict(zip(names, row, strict=True))}
