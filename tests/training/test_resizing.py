"""Progressive resizing: which images are smaller, how they are made, and what trains on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pretended_gpu import Machine
from quick import base_network, split_of
from torch import Tensor

from nasflow.architecture.templates import TEMPLATES, chain
from nasflow.config.data import Augment
from nasflow.config.training import Final
from nasflow.network.network import initialise
from nasflow.training import sibling
from nasflow.training.batches import Batches
from nasflow.training.duration import Length
from nasflow.training.resizing import Resized, resized, smaller
from nasflow.training.train import Trained, TrainingJob, train

SIZED = chain((4, 4, 8), 3, (1, 8, 8), 3)  # two pools


@pytest.mark.parametrize(
    ("part", "size"), [(1.0, None), (0.97, None), (0.7, (6, 6)), (0.5, (4, 4)), (0.4, None)]
)
def test_images_are_smaller_as_long_as_every_pool_has_two_pixels(
    part: float, size: tuple[int, int] | None
) -> None:
    assert smaller([SIZED], part) == size


def test_the_smaller_size_fits_all_networks_that_see_the_images() -> None:
    assert smaller([chain((4, 4), 3, (1, 8, 8), 3)], 0.4) == (3, 3)
    assert smaller([chain((4, 4), 3, (1, 8, 8), 3), SIZED], 0.4) is None


def test_a_head_that_reads_whole_maps_sees_images_of_their_own_size_only() -> None:
    assert smaller([chain((4, 4), 3, (1, 8, 8), 3, "flat_head")], 0.7) is None


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_every_template_can_begin_with_smaller_images(name: str) -> None:
    assert smaller([TEMPLATES[name]((3, 32, 24), 10)], 0.7) == (22, 17)


def test_a_constant_image_stays_constant_and_a_mean_stays_the_mean() -> None:
    images = torch.rand(5, 12, 8, 3, generator=torch.Generator().manual_seed(0)).permute(0, 3, 1, 2)
    small = resized(images, (6, 4))
    assert small.shape == (5, 3, 6, 4) and small.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(small.mean((2, 3)), images.mean((2, 3)), rtol=0.0, atol=0.03)
    same = resized(torch.full((2, 1, 9, 9), 0.25), (6, 6))
    torch.testing.assert_close(same, torch.full((2, 1, 6, 6), 0.25))


def test_a_checkerboard_becomes_grey() -> None:
    """Each new pixel is a mean over all that it covers: fine patterns leave no false ones."""
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2
    small = resized(board[None, None].float(), (4, 4))
    assert float((small - 0.5).abs().max()) < 0.1


def test_the_labels_stay_and_only_the_first_steps_are_small() -> None:
    batches = Batches(split_of(96, 1), 32, "final", (0,))
    stream = Resized(batches, (6, 6), lambda step: step < 2)
    for step in range(4):
        (own, labels), (images, same) = batches(step), stream(step)
        assert torch.equal(labels, same)
        assert torch.equal(images, resized(own, (6, 6)) if step < 2 else own)


def _trained(
    monkeypatch: pytest.MonkeyPatch, device: str = "cpu", steps: int = 10, **own: Any
) -> tuple[Trained, list[int]]:
    """A training, and the side of the images in each of its steps."""
    real, seen = sibling.forward, []

    def forward(g: object, x: object, buffers: object, images: Tensor, **rest: bool) -> Tensor:
        if rest["training"]:
            seen.append(images.shape[2])
        found: Tensor = real(g, x, buffers, images, **rest)  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(sibling, "forward", forward)
    stage = Final(batch_size=32, lambda_start=0.1, shards=1, **own)
    job = TrainingJob(stage, Augment(), Length(steps, None), "final", 0, 1)
    start, data = base_network().to(device), split_of(96, 1).to(device)
    found = train(start, data, split_of(30, 2).to(device), job, lambda *_: None)
    monkeypatch.undo()
    return found, seen


def test_a_training_begins_with_small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _trained(monkeypatch)[1] == [8] * 10
    assert _trained(monkeypatch, resize=0.7)[1] == [6] * 5 + [8] * 5
    assert _trained(monkeypatch, resize=0.5, resize_until=0.8)[1] == [4] * 8 + [8] * 2
    assert _trained(monkeypatch, resize=0.3)[1] == [8] * 10, "too small for two pools"


def test_a_network_that_was_trained_on_small_images_knows_large_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, _ = _trained(monkeypatch, steps=60, resize=0.7)
    assert found.facts["validation_accuracy"] == 1.0


def test_a_teacher_that_reads_whole_maps_keeps_the_images_at_their_size() -> None:
    """On smaller images it could not compute its probabilities."""
    stage = Final(batch_size=32, shards=1, resize=0.7, distillation=0.5)
    job = TrainingJob(stage, Augment(), Length(6, None), "final", 0, 1)
    g = chain((4, 4, 8), 3, (1, 8, 8), 3, "flat_head")
    data = split_of(96, 1)
    for teacher in (base_network(), initialise(g, np.random.default_rng(0))):
        taught = job._replace(teacher=teacher)
        found = train(base_network(), data, split_of(30, 2), taught, lambda *_: None)
        assert found.facts["steps"] == 6


def test_on_a_gpu_the_step_is_captured_again_where_the_images_grow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Machine():
        found, seen = _trained(monkeypatch, "cuda", resize=0.7)
        trained = {name: t.cpu() for name, t in found.network.x.items()}
    assert set(seen) == {6, 8} and seen == sorted(seen)
    eager, _ = _trained(monkeypatch, resize=0.7)
    for name, t in eager.network.x.items():
        torch.testing.assert_close(trained[name], t, rtol=1e-4, atol=1e-5)
