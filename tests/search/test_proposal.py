"""The proposal by gradients keeps the children of the steepest descent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from played import play
from quick import base_network, setting_of

from nasflow.config.search import MORPHISMS, Constraints
from nasflow.search import proposal
from nasflow.search.children import propose
from nasflow.search.neighbourhood import sample
from nasflow.search.proposal import descent_rate, steepest
from nasflow.search.round import Setting
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


def _chosen(setting: Setting) -> list[str]:
    children = propose(base_network(), 0, setting)
    return [child.network.architecture.fingerprint for child in children]


def test_ranks_and_threads_share_the_candidates_and_choose_those_of_one_rank(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting, measured = setting_of(n_neigh=3, proposal="gradient"), list[int]()
    alone = _chosen(setting)
    assert alone == _chosen(setting._replace(workers=2)) and len(alone) == 3
    played, descent = play(3, monkeypatch), proposal._descent

    def counted(*own: Any) -> torch.Tensor:
        measured.append(played.rank)
        return descent(*own)

    monkeypatch.setattr(proposal, "_descent", counted)
    found = played.run(lambda ranks: _chosen(setting._replace(ranks=ranks)))
    assert found == [alone] * 3
    each = [measured.count(rank) for rank in range(3)]
    assert sum(each) <= 12 and min(each) > 0, "each candidate is measured once"


@pytest.mark.parametrize("wrong", [2.0**-22, 0.5])
def test_a_rank_that_rounds_otherwise_chooses_the_same_children(
    wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rates of all candidates are equal, up to the noise of the last rank."""
    played, count = play(2, monkeypatch), [0, 0]

    def noisy(*_: Any) -> torch.Tensor:
        count[played.rank] += 1
        noise = float(np.random.default_rng(count[played.rank]).standard_normal())
        return torch.tensor(1.0 + played.rank * wrong * noise)

    monkeypatch.setattr(proposal, "_descent", noisy)
    setting = setting_of(n_neigh=3, proposal="gradient")
    first, second = played.run(lambda ranks: _chosen(setting._replace(ranks=ranks)))
    assert first == second
