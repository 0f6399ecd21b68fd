"""A training that has reached a plateau lets its step size fall to its end, and goes on after a
crash as if it had never stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from quick import base_network, split_of

from nasflow.config.data import Augment
from nasflow.config.experiment import Experiment
from nasflow.config.reading import ConfigError, parse
from nasflow.config.training import Final
from nasflow.training import training_course
from nasflow.training.duration import Length
from nasflow.training.plateau import DECAY, Plateau, decay
from nasflow.training.schedule import cosine
from nasflow.training.siblings import Score
from nasflow.training.snapshot import FORGETFUL, Snapshot
from nasflow.training.train import Trained, TrainingJob, train

LOSSES = (1.0, 0.8, 0.799, 0.798)  # epochs 3 and 4 bring less than 1 %


class Crash(Exception):
    pass


class Crashing:
    """Keeps the state after one step and then ends the loop; the next loop goes on from there."""

    def __init__(self, at: int) -> None:
        self._at, self._kept = at, None

    def before(self, siblings: Sequence[str], below: float) -> Snapshot | None:
        return self._kept

    def keep(self, step: int, make: Callable[[], Snapshot]) -> None:
        if step == self._at and self._kept is None:
            self._kept = make()  # type: ignore[assignment]
            raise Crash


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the validation loss of epoch i be LOSSES[i - 1], and later the last of them."""
    record = training_course.TrainingCourse.record

    def scripted(self: Any, step: Any, live: Any, validation: Any) -> None:
        epoch = (step.number - 1) // 3
        score = Score(LOSSES[min(epoch, len(LOSSES) - 1)], 0.5)
        monkeypatch.setattr(live, "evaluate", lambda *_: [score])
        record(self, step, live, validation)

    monkeypatch.setattr(training_course.TrainingCourse, "record", scripted)


def _train(keeper: Any = FORGETFUL, **options: Any) -> Trained:
    options = {"batch_size": 64, "lambda_start": 0.05, "lambda_final": 0.0, "shards": 1} | options
    job = TrainingJob(parse(Final, options), Augment(), Length(60, None), "final", 0, 1)
    data = split_of(192, 1)
    return train(base_network(), data, split_of(90, 2), job, lambda *_: None, keeper)


def test_at_a_plateau_the_rest_of_the_schedule_is_run_through_in_a_fifth(flat: None) -> None:
    _, rows, facts = _train(patience=2)
    assert (facts["plateau_step"], facts["plateau_epoch"]) == (12, 4.0)
    assert facts["steps"] == 12 + 3 and facts["saved_steps"] == 60 - 15  # 0.2 x 12 -> 3
    taus = [cosine(k, 60.0, 0.05, 0.0) for k in range(12)]
    taus += [cosine(0.2 + 0.8 * k / 3, 1.0, 0.05, 0.0) for k in range(3)]
    assert [row["tau"] for row in rows] == pytest.approx(taus)
    assert sum(row["validation_loss"] is not None for row in rows) == 5  # one for each epoch


@pytest.mark.parametrize("at", [7, 11, 12, 13])
def test_a_crash_changes_no_bit_of_it(flat: None, at: int) -> None:
    whole, keeper = _train(patience=2), Crashing(at)
    with pytest.raises(Crash):
        _train(keeper, patience=2)
    again = _train(keeper, patience=2)
    assert again.rows == whole.rows and again.facts == whole.facts
    for name, tensor in whole.network.x.items():
        assert np.array_equal(tensor.numpy(), again.network.x[name].numpy())


def test_without_patience_nothing_changes(flat: None) -> None:
    _, rows, facts = _train()
    assert facts["steps"] == 60 and "plateau_step" not in facts
    assert sum(row["validation_loss"] is not None for row in rows) == training_course.LOOKS


def test_the_rise_of_the_step_size_is_no_plateau(flat: None) -> None:
    facts = _train(patience=2, warmup=0.5).facts
    assert facts["plateau_step"] == 30 + 6  # the loss of the first epoch after the rise is the best


def test_a_plateau_near_the_end_saves_nothing() -> None:
    assert decay(50, 60.0) is None
    planned = decay(12, 60.0)
    assert planned is not None and planned.end == 12 + np.ceil(DECAY * 12)
    plateau = Plateau(2)
    seen = [plateau.reached(loss) for loss in (1.0, float("nan"), 0.5, 0.496, 0.496)]
    assert seen == [False, False, False, False, True]


def test_a_plateau_needs_images_that_are_held_out() -> None:
    with pytest.raises(ConfigError, match=r"final\.patience: 5; expected null together with"):
        parse(Experiment, {"final": {"patience": 5, "use_validation": True}})
