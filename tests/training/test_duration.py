"""How long a stage trains: by its epochs, its compute, or what is left of a total."""

from __future__ import annotations

import pytest

from nasflow.config.training import Final, Pretrain
from nasflow.training.duration import Length, Pace, Spent, length


def test_a_stage_lasts_its_epochs() -> None:
    assert length(Pretrain(epochs=10.0, batch_size=64), 200, 1) == Length(30, None)
    assert length(Pretrain(epochs=0.0), 200, 1) == Length(0, None)
    assert length(Pretrain(epochs=1e-9), 200, 1) == Length(1, None)


def test_a_compute_budget_counts_three_forward_passes_for_each_image() -> None:
    final = Final(epochs=None, flops=3e6, batch_size=10)
    assert length(final, 200, 1000) == Length(100, None)
    assert length(final, 200, 10**9) == Length(1, None)


def test_a_compute_budget_pays_for_the_forward_pass_of_a_teacher() -> None:
    stage = Final(epochs=None, flops=6e9, batch_size=10)
    assert length(stage, 100, 10**6).steps == 200
    assert length(stage, 100, 10**6, teacher=3 * 10**6).steps == 100


def test_the_final_training_has_what_is_left_of_a_total() -> None:
    final = Final(epochs=None, total_epochs=50.0, batch_size=64)
    assert length(final, 192, 1, Spent(10.0, 0.0)) == Length(120, None)  # 40 epochs of 3 steps
    assert length(final, 192, 1, Spent(60.0, 0.0)) == Length(1, None)
    final = Final(epochs=None, total_seconds=50.0)
    assert length(final, 192, 1, Spent(0.0, 20.0)) == Length(None, 30.0)


def test_a_total_needs_what_was_spent() -> None:
    with pytest.raises(ValueError, match=r"final\.epochs"):
        length(Final(epochs=None, total_epochs=50.0), 192, 1)


def test_a_training_by_seconds_expects_as_many_steps_as_its_speed_gives() -> None:
    passed = iter([0.0, 2.0, 4.0])
    pace = Pace(Length(None, 10.0), lambda: next(passed))
    assert pace.total(0) > 1
    assert pace.total(5) == pytest.approx(25.0)
    assert pace.total(10) == pytest.approx(25.0)
