"""The evaluation of one network on a whole split against a plain loop."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from cases import logits
from quick import base_network, split_of

from nasflow.config.kinds import Precision
from nasflow.training.evaluation import evaluate
from nasflow.training.local_siblings import EVALUATION_BATCH


@pytest.mark.parametrize("workers", [1, 2])
def test_a_network_is_evaluated_on_all_images_at_its_weights(workers: int) -> None:
    network, split = base_network(), split_of(2 * EVALUATION_BATCH + 7, 3)
    images, labels = split.chunk(0, len(split))
    y = logits(network, images)
    found = evaluate(network, split, workers=workers)
    assert found.loss == pytest.approx(F.cross_entropy(y, labels).item(), rel=1e-5)
    assert found.accuracy == pytest.approx((y.argmax(1) == labels).double().mean().item())


def test_an_evaluation_changes_nothing_and_knows_its_precision() -> None:
    network, split = base_network(), split_of(90, 2)
    before = {k: t.clone() for part in network[1:] for k, t in part.items()}
    exact = evaluate(network, split)
    half = evaluate(network, split, precision=Precision.BFLOAT16)
    assert exact == evaluate(network, split) != half
    assert half.loss == pytest.approx(exact.loss, rel=0.05)
    after = {k: t for part in network[1:] for k, t in part.items()}
    assert all(torch.equal(t, after[k]) for k, t in before.items())
