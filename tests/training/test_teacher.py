"""A student has the loss of the formula, and its teacher sees the images that it sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from cases import images, network
from quick import base_network, split_of

from nasflow.config.data import Augment
from nasflow.config.reading import parse
from nasflow.config.training import Final
from nasflow.network.network import Network, forward
from nasflow.training.class_loss import mean_loss
from nasflow.training.duration import Length
from nasflow.training.live_network import live
from nasflow.training.sibling import Sibling
from nasflow.training.teacher import Teacher, check_fits, check_wanted, teacher_of
from nasflow.training.train import Trained, TrainingJob, train

WEIGHTS = torch.tensor([0.2, 4.0, 1.0, 0.5, 2.0])
LABELS = torch.arange(12) % 5
MIXED = 0.7 * torch.eye(5)[LABELS] + 0.3 * torch.eye(5)[LABELS.flip(0)]


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _by_hand(
    logits: np.ndarray, known: np.ndarray, target: np.ndarray, weights: np.ndarray, **own: float
) -> tuple[float, np.ndarray]:
    """Return the loss and its gradient with respect to the logits, in float64, with smoothing."""
    a, t = own["a"], own["t"]
    costs, counts = (0.9 * target + 0.1 / 5) * weights, target @ weights
    p, soft, hard = _softmax(logits), _softmax(logits / t), _softmax(known / t)
    entropy = -(costs * np.log(p)).sum(1)
    apart = counts * (hard * np.log(hard / soft)).sum(1)
    # d/dz of -sum_k c_k log p_k is p sum_k c_k - c; that of KL has a factor 1/T.
    slope = (1 - a) * (p * costs.sum(1, keepdims=True) - costs)
    slope += a * t * counts[:, None] * (soft - hard)
    return float(((1 - a) * entropy + a * t**2 * apart).mean()), slope / len(logits)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("labels", [LABELS, MIXED], ids=["classes", "mixed"])
@pytest.mark.parametrize(("a", "t"), [(0.3, 1.0), (0.9, 4.0), (1.0, 2.0)])
def test_the_loss_and_its_gradient_are_those_of_the_formula(
    a: float, t: float, labels: torch.Tensor, weighted: bool
) -> None:
    weights = WEIGHTS if weighted else None
    logits = torch.randn((12, 5), generator=torch.Generator().manual_seed(0)).requires_grad_()
    teacher, seen = Teacher(live(network(0, 1)), a, t), images(12)
    own = mean_loss(logits, labels, weights, 0.1)
    loss = teacher.blended(own, logits, (seen, labels), weights)
    (gradient,) = torch.autograd.grad(loss, logits)
    target = (labels if labels.is_floating_point() else torch.eye(5)[labels]).double().numpy()
    numbers = (x.detach().double().numpy() for x in (logits, teacher.logits(seen)))
    factors = (WEIGHTS if weighted else torch.ones(5)).double().numpy()
    wanted, slope = _by_hand(*numbers, target, factors, a=a, t=t)
    assert loss.item() == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(gradient.numpy(), slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "class weights"])
def test_a_student_that_is_equal_to_its_teacher_has_nothing_to_learn_from_it(
    weights: torch.Tensor | None,
) -> None:
    teacher, seen = Teacher(live(network(0, 1)), 1.0, 1.0), images(12)
    logits = teacher.logits(seen).clone().requires_grad_()
    loss = teacher.blended(mean_loss(logits, LABELS, weights), logits, (seen, LABELS), weights)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert abs(loss.item()) < 1e-6
    assert gradient.abs().max().item() < 1e-6


def test_a_teacher_computes_in_evaluation_mode_and_stays_as_it_is() -> None:
    start = network(0, 1)
    teacher, seen = Teacher(live(start), 0.5, 2.0), images(12)
    g, x, buffers, _ = start
    expected = forward(g, x, buffers, seen, training=False, fused=False)
    torch.testing.assert_close(teacher.logits(seen), expected, rtol=1e-4, atol=1e-5)
    for before, after in zip(start[1:3], teacher.network[1:3], strict=True):
        assert all(torch.equal(before[name], after[name]) for name in before)


ALL = Augment(flip=True, shift=1, crop=0.7, colour=0.2, erase=0.5, mixup=0.4, cutmix=1.0)


def _train(teacher: Network | None, workers: int = 1, steps: int = 6, **own: Any) -> Trained:
    stage = parse(Final, {"batch_size": 32, "label_smoothing": 0.1, "cutout": 2} | own)
    job = TrainingJob(stage, ALL, Length(steps, None), "final", 0, workers, teacher)
    return train(base_network(), split_of(96, 1), split_of(30, 2), job, lambda *_: None)


def _teacher() -> Network:
    """A network that a few steps have taken away from its random weights."""
    return _train(None, steps=3).network


def _same(one: Trained, two: Trained) -> bool:
    tensors = (part for trained in (one, two) for part in [[*trained.network.x.values()]])
    return all(map(torch.equal, *tensors)) and one.rows == two.rows


@pytest.mark.parametrize("own", [{"shards": 1, "precision": "bfloat16"}, {"shards": 2}])
def test_a_taught_training_is_the_same_on_one_thread_and_two(own: dict[str, Any]) -> None:
    own = own | {"distillation": 0.7, "temperature": 2.0}
    assert _same(_train(_teacher(), 1, **own), _train(_teacher(), 2, **own))
    assert not _same(_train(_teacher(), 1, **own), _train(None, 1, **own))


def test_without_a_weight_or_a_teacher_no_bit_changes() -> None:
    plain = _train(None)
    assert _same(plain, _train(_teacher(), distillation=0.0))
    assert _same(plain, _train(None, distillation=0.5, temperature=2.0))
    assert teacher_of(_teacher(), Final(distillation=0.0)) is None


def test_the_teacher_sees_the_mixed_and_changed_images_of_the_student(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where a batch has two parts; images that nobody changed would be those of the split."""
    student, taught = list[torch.Tensor](), list[torch.Tensor]()
    real, answer = Sibling._forward, Teacher.logits

    def watched(self: Sibling, network: Network, seen: torch.Tensor, *, training: bool) -> Any:
        if training:
            student.append(seen.clone())
        return real(self, network, seen, training=training)

    def heard(self: Teacher, seen: torch.Tensor) -> torch.Tensor:
        taught.append(seen.clone())
        return answer(self, seen)

    monkeypatch.setattr(Sibling, "_forward", watched)
    monkeypatch.setattr(Teacher, "logits", heard)
    _train(base_network(), distillation=0.5, shards=2, steps=3)
    assert len(taught) == 6 and all(map(torch.equal, student, taught))
    data = split_of(96, 1)
    whole = {image.numpy().tobytes() for image in data.normalise(data.images)}
    assert not any(image.numpy().tobytes() in whole for batch in taught for image in batch)


def test_a_teacher_of_other_classes_or_images_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"teacher takes .*\(2, 8, 8\), 5\).*\(1, 8, 8\), 3") as e:
        check_fits(network(0, 0), base_network(), "teacher")
    assert "\n" not in str(e.value)
    check_fits(base_network(), base_network(), "teacher")
    with pytest.raises(ValueError, match=r"final\.distillation: 0; expected more than 0"):
        check_wanted(base_network(), Final())
    with pytest.raises(ValueError, match=r"final\.distillation: 0\.5; expected 0"):
        check_wanted(None, Final(distillation=0.5))
