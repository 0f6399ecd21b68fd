"""Mixup and cutmix mix targets as they mix images."""

from __future__ import annotations

import pytest
import torch

from nasflow.randomness import generator
from nasflow.training.mixture import box_draws, cutmix, mixture, mixup


def batch(b: int, channels: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Image i is i everywhere and has class i, so that a pixel tells whose it is."""
    values = torch.arange(b, dtype=torch.float32)
    images = values[:, None, None, None].repeat(1, channels, height, width)
    return images.to(memory_format=torch.channels_last), torch.eye(b)


def test_mixup_blends_an_image_and_its_target_with_the_one_before_it() -> None:
    images, targets = mixup(*batch(4, 3, 9, 13), 0.75)
    assert images[2].flatten().tolist() == pytest.approx([0.75 * 2 + 0.25 * 1] * 351)
    assert targets[2].tolist() == [0.0, 0.25, 0.75, 0.0]
    assert targets[0].tolist() == [0.75, 0.0, 0.0, 0.25]
    assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(9, 13), (4, 4), (1, 7)])
def test_cutmix_gives_a_target_the_area_that_each_image_has(shape: tuple[int, int]) -> None:
    start, one = batch(5, 1, *shape)
    before = start.clone()
    for draw in range(30):
        rng = generator("box", draw)
        box = box_draws(rng, *shape, float(rng.random()))
        images, targets = cutmix(start, one, box)
        own = float((images[3] == 3.0).float().mean())
        assert bool(((images[3] == 3.0) | (images[3] == 2.0)).all())
        assert targets[3].tolist() == pytest.approx([0.0, 0.0, 1.0 - own, own, 0.0])
    assert torch.equal(start, before)


@pytest.mark.parametrize("alpha", [(0.2, 0.0), (0.0, 1.0), (0.2, 1.0), (1e-300, 10.0)])
@pytest.mark.parametrize("b", [1, 6])
def test_targets_are_probabilities_and_draws_can_be_repeated(
    alpha: tuple[float, float], b: int
) -> None:
    start, one = batch(b, 3, 4, 4)
    for draw in range(20):
        images, targets = mixture(start, one, generator("mix", draw), alpha)
        again = mixture(start, one, generator("mix", draw), alpha)
        assert torch.equal(images, again[0]) and torch.equal(targets, again[1])
        assert images.shape == start.shape and images.dtype == torch.float32
        assert targets.min() >= 0.0 and torch.allclose(targets.sum(1), torch.ones(b))
        assert torch.allclose(images.mean((1, 2, 3)), targets @ torch.arange(float(b)), atol=1e-5)


def test_each_of_two_mixtures_has_half_of_the_batches() -> None:
    start, one = batch(6, 1, 8, 8)
    mixed = [mixture(start, one, generator("mix", i), (1.0, 1.0))[0] for i in range(200)]
    blended = sum(bool((images != images.round()).any()) for images in mixed)
    assert 70 < blended < 130
