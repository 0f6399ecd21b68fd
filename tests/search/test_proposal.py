"""The proposal by gradients keeps the children of the steepest descent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nasflow.config.search import MORPHISMS, Constraints
from nasflow.search.neighbourhood import sample
from nasflow.search.proposal import descent_rate, steepest
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.splits import read_split


def test_the_gradient_proposal_keeps_the_steepest(folder: Path) -> None:
    grow = dict.fromkeys(MORPHISMS, 0.0) | {"deepen": 1.0, "widen": 1.0}
    parent = read_checkpoint(folder / "pretrain/network").network
    rng = np.random.default_rng(0)
    constraints = Constraints()
    candidates = sample(parent, 8, morphisms=grow, constraints=constraints, rng=rng)
    batch = read_split(folder / "data", "train", "cpu").chunk(0, 64)
    kept = steepest(candidates, 3, *batch)
    rates = {id(c): descent_rate(c.network, *batch) for c in candidates}
    left = [c for c in candidates if c not in kept]
    assert (len(kept), len(left)) == (3, 5)
    assert min(rates[id(c)] for c in kept) >= max(rates[id(c)] for c in left)
    assert all(rate >= descent_rate(parent, *batch) * 0.9 for rate in rates.values())


def test_class_weights_scale_the_loss_of_the_proposal(folder: Path) -> None:
    """The rate is a squared gradient: weights of 2 for all classes make it four times as large."""
    parent = read_checkpoint(folder / "pretrain/network").network
    images, labels = read_split(folder / "data", "train", "cpu").chunk(0, 64)
    classes = parent.architecture.head.width
    plain = descent_rate(parent, images, labels)
    assert descent_rate(parent, images, labels, torch.full((classes,), 2.0)) == pytest.approx(
        4.0 * plain, rel=1e-4
    )
    weights = torch.ones(classes)
    weights[0] = 20.0
    assert descent_rate(parent, images, labels, weights) != pytest.approx(plain, rel=0.1)
