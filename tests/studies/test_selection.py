"""A trial measures every sibling, and a verdict says how good the winner was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nasflow.architecture.templates import chain
from nasflow.config.data import Augment
from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.network.network import initialise
from nasflow.studies import selection
from nasflow.training.batches import Split


def _split(count: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.integers(0, 90, (count, 8, 8, 1)) + 60 * labels[:, None, None, None]
    return Split(
        torch.from_numpy(images.astype(np.uint8)),
        torch.from_numpy(labels),
        torch.tensor([0.4]),
        torch.tensor([0.2]),
    )


def test_a_trial_scores_every_sibling_and_its_losses_can_play_every_rule() -> None:
    parent = initialise(chain((4, 8), 3, (1, 8, 8), 3), np.random.default_rng(0))
    search = parse(Search, {"n_neigh": 3, "max_steps": 20, "batch_size": 32})
    trial = selection.trial(
        parent,
        0,
        train=_split(96, 0),
        validation=_split(48, 1),
        judge=_split(48, 2),
        search=search,
        augment=Augment(),
        number=0,
        extra=10,
        tau=0.1,
        seeds=2,
        workers=1,
        progress=lambda *_: None,
    )
    assert trial.losses.shape == (20, 4)
    assert trial.judged.shape == (2, 4)
    assert np.isfinite(trial.judged).all()
    assert not np.array_equal(trial.judged[0], trial.judged[1])
    eager = search.model_copy(update={"warmup_steps": 0, "confidence": 0.1, "min_lead": 0.0})
    verdict = selection.verdict([trial], "nasgd", eager)
    assert verdict.outcome.rounds == 1


def test_a_verdict_compares_the_winner_with_the_best_child_and_with_chance() -> None:
    """Node 2 leads in the round, node 3 is best in the end, node 4 diverges."""
    losses = np.tile([1.0, 1.0, 0.8, 0.95, 1.2], (200, 1))
    judged = np.array([[0.5, 0.6, 0.4, 0.3, np.inf], [0.5, 0.6, 0.4, 0.3, np.inf]])
    trial = selection.Trial(losses, np.full(200, 0.05), judged, ["widen"] * 4)
    verdict = selection.verdict([trial], "nasgd", Search())
    assert (verdict.outcome.ended, verdict.outcome.right, verdict.rank) == (1.0, 0.0, 2.0)
    assert verdict.regret == pytest.approx(0.1)
    assert verdict.gain == pytest.approx(0.1)
    assert verdict.near == 0.0
    right, near, _, regret, _ = selection.chance([trial])
    assert right == 0.25
    assert near == pytest.approx(1 / 3)
    assert regret == pytest.approx((0.3 + 0.1 + 0.0) / 3)
    assert selection.agreement([trial]) == 1.0
