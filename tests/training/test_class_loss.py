"""The weighted loss is the sum that its module states, for labels and for mixed images."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from cases import images, network

from nasflow.network.network import at_rest
from nasflow.training import optim
from nasflow.training.batches import Split, join
from nasflow.training.class_loss import mean_loss, sums
from nasflow.training.evaluation import evaluate
from nasflow.training.siblings import Siblings

STEP = optim.heavy_ball(friction=1.0, weight_decay=0.0)
WEIGHTS = torch.tensor([0.2, 4.0, 1.0, 0.5, 2.0])


def _logits(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn((count, 5), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("mixed", [False, True])
def test_the_loss_is_the_sum_over_classes_by_the_number_of_images(
    smoothing: float, mixed: bool
) -> None:
    logits, labels = _logits(12), torch.arange(12) % 5
    target = F.one_hot(labels, 5).float()
    if mixed:
        target = 0.7 * target + 0.3 * target.flip(0)
    smooth = (1.0 - smoothing) * target + smoothing / 5
    expected = -(smooth * WEIGHTS * logits.log_softmax(1)).sum() / 12
    found = mean_loss(logits, target if mixed else labels, WEIGHTS, smoothing)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("mixed", [False, True])
def test_without_weights_it_is_the_loss_of_torch_bit_for_bit(mixed: bool) -> None:
    logits, labels = _logits(12), torch.arange(12) % 5
    target = F.one_hot(labels, 5).float() if mixed else labels
    expected = F.cross_entropy(logits, target, label_smoothing=0.1)
    assert torch.equal(mean_loss(logits, target, None, 0.1), expected)


def test_the_mean_over_batches_is_the_mean_over_images() -> None:
    """A mean by the weights of each batch is not, so that batches of rare images count too much."""
    logits, labels = _logits(60), torch.cat([torch.zeros(50), torch.ones(10)]).long()
    parts = zip(logits.split(15), labels.split(15), strict=True)
    means = torch.stack([mean_loss(*part, WEIGHTS) for part in parts])
    torch.testing.assert_close(means.mean(), mean_loss(logits, labels, WEIGHTS))


def test_sums_weight_losses_and_correct_images_alike() -> None:
    logits, labels = _logits(40), torch.arange(40) % 5
    loss, right, of = sums(logits, labels, WEIGHTS).tolist()
    assert loss == pytest.approx(40 * float(mean_loss(logits, labels, WEIGHTS)), rel=1e-6)
    own = WEIGHTS[labels]
    assert right == pytest.approx(float(own[logits.argmax(1) == labels].sum()), rel=1e-6)
    assert of == pytest.approx(float(own.sum()), rel=1e-6)
    found = sums(logits, labels, None).tolist()
    assert found[1:] == [float((logits.argmax(1) == labels).sum()), 40.0]


@pytest.mark.parametrize("shards", [1, 4])
def test_a_sibling_trains_and_validates_with_the_weights(shards: int) -> None:
    """The losses of four parts of a batch are checked at equal weights of BatchNorm statistics."""
    start, labels = at_rest(network(0, 0)), torch.arange(16) % 5
    batch = (images(4, seed=3).repeat(4, 1, 1, 1), labels)  # all parts have the same statistics
    options = {"shards": shards, "label_smoothing": 0.1}
    with Siblings([start], STEP, class_weights=WEIGHTS, **options) as live:  # type: ignore[arg-type]
        train, validation = live.step([batch], [batch], 0.05)
        logits = live._live[0].logits(batch[0])
    expected = float(mean_loss(logits, labels, WEIGHTS))
    assert validation[0] == pytest.approx(expected, rel=1e-6)
    with Siblings([start], STEP, class_weights=WEIGHTS, label_smoothing=0.1) as live:
        once = live.step([batch], None, 0.05)[0]
    assert train[0] == pytest.approx(once[0], rel=1e-5)
    with Siblings([start], STEP, label_smoothing=0.1) as live:
        assert live.step([batch], None, 0.05)[0] != pytest.approx(once[0], rel=1e-2)


def test_an_evaluation_of_balanced_classes_is_the_mean_recall() -> None:
    """Several chunks, of which the last one is smaller, and classes of 500, 40 and 20 images."""
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor([500, 40, 20]))
    pixels = torch.randint(0, 255, (560, 8, 8, 2), generator=torch.Generator().manual_seed(0))
    mean, std = torch.tensor([0.5, 0.5]), torch.tensor([0.3, 0.3])
    split = Split(pixels.to(torch.uint8), labels, mean, std)
    start = network(1, 0)
    with Siblings([start], STEP) as live:
        logits = live.logits(split)
    right = logits.argmax(1) == labels
    recalls = torch.stack([right[labels == c].float().mean() for c in range(3)])
    weights = [560 / (3 * n) for n in (500, 40, 20)] + [1.0] * 2
    found = evaluate(start, split.weighted(weights))
    assert found.accuracy == pytest.approx(float(recalls.mean()), rel=1e-6)
    expected = mean_loss(logits, labels, torch.tensor(weights))
    assert found.loss == pytest.approx(float(expected), rel=1e-5)
    assert evaluate(start, split).accuracy == pytest.approx(float(right.float().mean()))
    assert evaluate(start, split.weighted([3.0] * 5)).accuracy == evaluate(start, split).accuracy


def test_a_joined_split_and_one_on_another_device_keep_the_weights() -> None:
    plain = Split(torch.zeros((2, 4, 4, 1)), torch.zeros(2), torch.zeros(1), torch.ones(1))
    split = plain.weighted([1.0, 2.0])
    for found in (join(split, plain), split.to("cpu")):
        assert found.weights is not None and found.weights.tolist() == [1.0, 2.0]
    assert split.weighted(None).weights is None and join(plain, plain).weights is None
