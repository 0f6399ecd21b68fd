"""A training has the step sizes of its schedule, and ends with the seconds that it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pretended_gpu import Machine
from quick import base_network, split_of
from torch.nn.functional import cross_entropy

from nasflow.config.data import Augment
from nasflow.config.reading import parse
from nasflow.config.training import Final, Pretrain
from nasflow.training.duration import Length
from nasflow.training.mixture import mixup
from nasflow.training.schedule import cosine, linear
from nasflow.training.train import Trained, TrainingJob, train
from nasflow.training.training_course import TrainingCourse


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


MIXED = Augment(crop=0.7, colour=0.2, erase=0.5, mixup=0.4, cutmix=1.0)


def _mixed(augment: Augment, workers: int, classes: int = 3, **own: Any) -> Trained:
    stage = parse(Final, {"batch_size": 32, "weight_decay": 0.0, "label_smoothing": 0.1} | own)
    job = TrainingJob(stage, augment, Length(6, None), "final", 0, workers)
    data = split_of(96, 1, classes)
    return train(base_network(), data, split_of(30, 2), job, lambda *_: None)


@pytest.mark.parametrize("own", [{"shards": 1, "precision": "bfloat16"}, {"shards": 2}])
def test_mixed_labels_train_alike_on_one_thread_and_two_also_where_a_class_has_no_image(
    own: dict[str, Any],
) -> None:
    """The last of the three classes of the network has no training image."""
    one, two = (_mixed(MIXED, workers, classes=2, **own) for workers in (1, 2))
    assert all(map(torch.equal, one.network.x.values(), two.network.x.values()))
    assert [row["train_loss"] for row in one.rows] == [row["train_loss"] for row in two.rows]
    other = _mixed(Augment(), 1, classes=2, **own)
    assert not all(map(torch.equal, one.network.x.values(), other.network.x.values()))


def test_the_loss_of_mixed_labels_is_the_mixture_of_the_losses() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    labels, before = torch.tensor([0, 2, 1, 1]), torch.tensor([1, 0, 2, 1])
    _, mixed = mixup(logits[:, :, None, None], torch.eye(3)[labels], 0.7)
    parts = [cross_entropy(logits, y, label_smoothing=0.1) for y in (labels, before)]
    loss = cross_entropy(logits, mixed, label_smoothing=0.1)
    assert loss.item() == pytest.approx(0.7 * parts[0].item() + 0.3 * parts[1].item(), rel=1e-5)


def test_a_pretraining_never_mixes_labels() -> None:
    data, validation = split_of(96, 1), split_of(30, 2)
    stage, length = parse(Pretrain, {"batch_size": 32}), Length(3, None)
    networks = [
        train(
            base_network(),
            data,
            validation,
            TrainingJob(stage, augment, length, "pretrain", 0, 1),
            lambda *_: None,
        ).network
        for augment in (Augment(), Augment(mixup=0.4, cutmix=1.0))
    ]
    assert all(map(torch.equal, networks[0].x.values(), networks[1].x.values()))


@pytest.mark.parametrize("patience", [None, 1])
def test_on_a_gpu_losses_are_read_late_and_the_rows_stay_the_same(
    patience: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evaluations and plateaus see the network of their step."""
    real, late = TrainingCourse.late, []
    options = {"batch_size": 32, "lambda_start": 0.1, "lambda_final": 0.0, "patience": patience}
    stage = Final(**options, weight_average=4, label_smoothing=0.1)
    job = TrainingJob(stage, Augment(flip=False, shift=0), Length(33, None), "final", 0, 1)

    def run(asked: Callable[[TrainingCourse, int], bool]) -> tuple[Any, ...]:
        monkeypatch.setattr(TrainingCourse, "late", asked)
        start, data = base_network().to("cuda"), split_of(192, 1).to("cuda")
        told: list[int] = []
        trained = train(
            start, data, split_of(30, 2).to("cuda"), job, lambda done, *_: told.append(done)
        )
        return told, trained.rows, trained.facts

    def noted(course: TrainingCourse, done: int) -> bool:
        late.append(real(course, done))
        return late[-1]

    with Machine():
        assert run(noted) == run(lambda course, done: False)
    assert sum(late) > len(late) / 2 and not late[9] and not late[-1]
