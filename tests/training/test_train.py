"""A training has the step sizes of its schedule, and ends with the seconds that it is given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from quick import base_network, split_of

from nasflow.config.data import Augment
from nasflow.config.reading import parse
from nasflow.config.training import Final
from nasflow.training.duration import Length
from nasflow.training.schedule import cosine, linear
from nasflow.training.train import Trained, TrainingJob, train


@pytest.mark.parametrize("slower", [1.0, 3.0])
def test_a_training_by_seconds_ends_with_them_and_its_cosine_however_fast_steps_are(
    slower: float,
) -> None:
    """Ten steps take one second each, and the steps after them `slower` seconds each."""
    passed = iter(np.cumsum([0.0, *[1.0] * 10, *[slower] * 200]))
    _, rows, facts = _train(40.0, lambda: float(next(passed)))
    assert facts["steps"] == 10 + 30 / slower
    shares = [*np.arange(11) / 40, *(10 + slower * np.arange(1, 30 / slower)) / 40]
    taus = [cosine(share, 1.0, 0.05, 0.0) for share in shares]
    assert np.allclose([row["tau"] for row in rows], taus)
    assert sum(row["validation_loss"] is not None for row in rows) == 10
    assert rows[-1]["validation_loss"] is not None


def test_a_training_without_a_second_left_has_one_step() -> None:
    for seconds in (-3.0, 0.0):
        assert _train(seconds, iter(range(9)).__next__).facts["steps"] == 1


def _train(seconds: float, elapsed: Callable[[], float]) -> Trained:
    stage = Final(batch_size=64, lambda_start=0.05, lambda_final=0.0, shards=1)
    job = TrainingJob(stage, Augment(), Length(None, seconds), "final", 0, 1)
    return train(
        base_network(),
        split_of(192, 1),
        split_of(90, 2),
        job,
        lambda *_: None,
        elapsed=elapsed,
    )


@pytest.mark.parametrize(("schedule", "fall"), [("cosine", cosine), ("linear", linear)])
def test_the_step_size_rises_and_then_falls_as_the_schedule_says(
    schedule: str, fall: Callable[..., float]
) -> None:
    options = {"batch_size": 64, "lambda_start": 0.05, "lambda_final": 0.01, "warmup": 0.25}
    stage = parse(Final, {"schedule": schedule, **options})
    job = TrainingJob(stage, Augment(), Length(20, None), "final", 0, 1)
    data = split_of(192, 1)
    rows = train(base_network(), data, split_of(90, 2), job, lambda *_: None).rows
    rise = [min(1.0, (done + 1) / 5.0) for done in range(20)]
    expected = [fall(done, 20.0, 0.05, 0.01) * rise[done] for done in range(20)]
    assert [row["tau"] for row in rows] == pytest.approx(expected)
