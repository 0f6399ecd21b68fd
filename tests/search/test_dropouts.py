"""Networks that diverge are dropped alone and never win."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rounds import run
from still import ARCHITECTURES, PARTICLES, STILL, rows, states

from nasflow.config.budget import Budget
from nasflow.search.budget import finished
from nasflow.search.dropouts import CAUSES, Dropouts
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import read_json
from nasflow.storage.tables import read_table
from nasflow.training.siblings import Siblings

EAGER = {"warmup_steps": 5, "scaling": "paper", "entropy_weight": 0.0, "kappa": 1e5, "window": 5}


Poison = Callable[..., None]


def test_siblings_of_a_child_that_drops_out_stay_bit_for_bit_identical(
    folder: Path, poison: Poison
) -> None:
    whole, before = states(folder, **STILL)
    poison(2, at=4)
    found, after = states(folder, **STILL)
    assert [after.dropouts.row(i)["died_at"] for i in range(6)] == [None, None, 4, None, None, None]
    assert whole[0] and before.history
    for i in (0, 1, 3, 4, 5):
        assert all(torch.equal(t, found[i][name]) for name, t in whole[i].items())
        for loss in ("losses", "train_loss"):
            one, two = ([getattr(s, loss)[i] for s in r.history] for r in (before, after))
            assert one == two


@pytest.mark.parametrize("algorithm", ["nasgd", "nasagd"])
def test_particles_leave_a_leader_that_drops_out_and_it_never_wins(
    folder: Path, tmp_path: Path, poison: Poison, algorithm: str
) -> None:
    options = {**EAGER, "second_order": {"kinetic": True}, "confidence": 100.0}
    first = run(folder, f"first {algorithm}", 1, algorithm, **options)
    status = read_json(first / "status.json")
    leader, last = status["winner"], status["steps"]
    assert status["reason"] == "recentred"
    poison(leader, at=last)
    out = run(folder, f"without {algorithm}", 1, algorithm, **options)
    after = read_json(out / "status.json")
    assert (after["died"], after["steps"] >= last, after["winner"] != leader) == (1, True, True)
    died = rows(out)[leader]
    assert (died["died_at"], died["died_of"], died["winner"]) == (last, "training loss", False)
    table = read_table(out / PARTICLES).to_pandas()
    assert (table.groupby("step")["count"].sum() == 1005).all()
    gone = table[(table.node == leader) & (table.step >= last)]
    assert len(gone)
    assert (gone["count"] == 1).all() and gone.train_loss.isna().all()
    assert np.isfinite(table.drop(columns="train_loss").to_numpy(dtype=float)).all()


def test_where_all_networks_drop_out_the_parent_stays_and_the_search_ends(
    folder: Path, poison: Poison
) -> None:
    poison(*range(6), at=7)
    out = run(folder, "all", 1, **STILL)
    status = read_json(out / "status.json")
    assert (status["reason"], status["winner"], status["steps"]) == ("diverged", 0, 6)
    assert {row["died_of"] for row in rows(out)} == {"training loss"}
    parent = (folder / "pretrain/network.safetensors").read_bytes()
    assert (out / "winner.safetensors").read_bytes() == parent
    assert finished(Budget(rounds=9), status["totals"]) == "diverged"


def test_where_the_parent_drops_out_the_best_child_goes_on(folder: Path, poison: Poison) -> None:
    poison(0, 1, at=7)
    out = run(folder, "heir", 1, **STILL)
    status = read_json(out / "status.json")
    losses = {r["node"]: r["validation_loss"] for r in rows(out) if r["died_at"] is None}
    assert set(losses) == {2, 3, 4, 5}
    assert (status["reason"], status["steps"]) == ("parent_diverged", 7)
    assert status["winner"] == min(losses, key=losses.__getitem__)
    assert status["totals"]["recentred"] == 1
    assert read_checkpoint(out / "winner").k == 7


def test_a_network_with_finite_losses_but_infinite_weights_is_not_chosen(
    folder: Path, poison: Poison
) -> None:
    poison(0, at=12, part="v")
    out = run(folder, "velocity", 1, **STILL)
    assert read_json(out / "status.json")["reason"] == "parent_diverged"
    assert rows(out)[0]["died_of"] == "weights"
    read_checkpoint(out / "winner")


def test_a_round_goes_on_after_a_crash_with_its_dropouts(
    folder: Path, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(1, 4, at=3)
    whole = run(folder, "whole", 1, **STILL)
    poisoned = Siblings.step

    def crash(self: Siblings, *rest: Any) -> Any:
        if self._made.max() == 8:
            raise OSError("the machine is gone")
        return poisoned(self, *rest)

    monkeypatch.setenv("NASFLOW_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr(Siblings, "step", crash)
    with pytest.raises(OSError, match="machine"):
        run(folder, "crashed", 1, **STILL)
    monkeypatch.setattr(Siblings, "step", poisoned)
    again = run(folder, "crashed", 1, **STILL)
    for name in (PARTICLES, ARCHITECTURES, "winner.json"):
        assert (again / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_dropout_keeps_its_first_cause_and_never_comes_back() -> None:
    dropouts, other = Dropouts(3), Dropouts(3)
    dropouts.note(2, "weights", np.array([False, True, False]))
    dropouts.note(5, "memory", np.array([True, True, False]))
    other.restore(dropouts.state())
    assert [other.row(i)["died_at"] for i in range(3)] == [5, 2, None]
    assert [CAUSES[i] for i in other.of] == ["memory", "weights", ""]
    assert other.heir(np.array([0.0, 1.0, 2.0])) == 2
    assert other.filled(np.array([np.nan, 7.0, 1.0])).tolist() == [11.0, 11.0, 1.0]
