"""The proposal by gradients keeps the children of the steepest descent."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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
