"""Changes of images keep shape and range, and change nothing where they are off."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nasflow.randomness import generator
from nasflow.training.augmentation import (
    CROP_RATIO,
    ERASED,
    colour_draws,
    coloured,
    crop_draws,
    erase_draws,
    inside,
    places,
    read,
    spans,
    square_draws,
)

SHAPES = [(6, 9, 13, 3), (5, 4, 4, 1), (1, 1, 7, 3), (3, 8, 8, 2)]


def pictures(shape: tuple[int, ...]) -> torch.Tensor:
    pixels = generator("pictures", *shape).integers(0, 256, shape, dtype=np.uint8)
    return torch.from_numpy(pixels)


def cropped(
    rng: np.random.Generator, b: int, height: int, width: int, least: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw crops; return the rows (b, height) and the columns (b, width) of their pixels."""
    crops = torch.from_numpy(crop_draws(rng, b, height, width, least))
    still = torch.zeros(b, dtype=torch.int32)
    return places(height, still, crop=crops[0]), places(width, still, crop=crops[1])


@pytest.mark.parametrize("shape", SHAPES)
def test_whole_numbers_take_pixels_as_they_are_and_a_crop_of_everything_is_the_image(
    shape: tuple[int, int, int, int],
) -> None:
    images, (b, height, width, _) = pictures(shape), shape
    rng = generator("places", 0)
    rows, columns = (torch.from_numpy(rng.integers(0, n, (b, n))) for n in (height, width))
    own = torch.arange(b)[:, None, None]
    assert torch.equal(read(images, rows, columns), images[own, rows[:, :, None], columns[:, None]])
    between = read(images, rows.double(), columns.double())
    assert between.dtype == torch.float32 and between.is_contiguous()
    assert torch.equal(between, read(images, rows, columns).float())
    assert torch.equal(read(images, *cropped(rng, b, height, width, 1.0)), images.float())


def test_a_crop_lies_in_its_image_with_the_area_and_the_ratio_that_are_wanted() -> None:
    rows, columns = (a.numpy() for a in cropped(generator("crop", 0), 400, 33, 65, 0.3))
    assert rows.min() >= 0.0 and rows.max() <= 32.0 and columns.max() <= 64.0
    tall, wide = (np.diff(a, axis=1)[:, a.shape[1] // 2] for a in (rows, columns))
    assert 0.3 <= (tall * wide).min() < 0.35 and 0.95 < (tall * wide).max() <= 1.0
    ratio = np.abs(np.log(wide / tall))
    assert 0.8 * math.log(CROP_RATIO) < ratio.max() <= math.log(CROP_RATIO) + 1e-9


def test_between_two_pixels_lies_their_mean_as_torch_computes_it() -> None:
    images = pictures((4, 9, 13, 3))
    rows, columns = cropped(generator("c", 0), 4, 9, 13, 0.2)
    around = [(2 * a + 1) / n - 1 for a, n in ((columns, 13), (rows, 9))]
    grid = torch.stack(
        [around[0][:, None].expand(4, 9, 13), around[1][:, :, None].expand(4, 9, 13)]
    )
    known = torch.nn.functional.grid_sample(
        images.permute(0, 3, 1, 2).double(), grid.permute(1, 2, 3, 0), align_corners=False
    )
    ours = read(images, rows, columns).permute(0, 3, 1, 2)
    assert torch.allclose(ours, known.float(), atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_colours_stay_in_their_range_and_factors_of_one_change_nothing(
    shape: tuple[int, int, int, int],
) -> None:
    images = pictures(shape)
    factors = torch.from_numpy(colour_draws(generator("colour", 0), shape[0], 1.0))
    assert factors.dtype == torch.float32 and bool(((factors >= 0.0) & (factors <= 2.0)).all())
    changed = coloured(images, factors)
    assert changed.shape == images.shape and changed.dtype == torch.float32
    assert changed.min() >= 0.0 and changed.max() <= 255.0
    same = coloured(images, torch.ones_like(factors))
    assert torch.allclose(same, images.float(), atol=1e-3)


def test_brightness_contrast_and_saturation_are_those_of_torchvision() -> None:
    images, factors = pictures((1, 9, 13, 3)) // 4 + 70, (1.1, 0.8, 1.3)
    x = images[0].double()
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    x = x * factors[0]
    x = factors[1] * x + (1 - factors[1]) * (x @ weights).mean()
    x = factors[2] * x + (1 - factors[2]) * (x @ weights)[..., None]
    assert torch.allclose(coloured(images, torch.tensor([factors]))[0], x.float(), atol=1e-3)


def test_grey_images_stay_grey_and_their_saturation_counts_for_nothing() -> None:
    one = pictures((6, 9, 13, 1))
    factors = torch.from_numpy(colour_draws(generator("colour", 1), 6, 0.5))
    three = coloured(one.expand(-1, -1, -1, 3).contiguous(), factors)
    assert torch.equal(three[..., 0], three[..., 1]) and torch.equal(three[..., 0], three[..., 2])
    assert torch.allclose(three[..., :1], coloured(one, factors), atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (9, 13), (4, 4), (2, 3), (1, 7), (1, 1)])
def test_erasing_leaves_rows_and_columns_and_hits_as_many_images_as_wanted(
    height: int, width: int
) -> None:
    rectangles = torch.from_numpy(erase_draws(generator("erase", 0), 300, height, width, 0.5))
    masks = inside(*spans(rectangles, height, width)).numpy()
    assert masks.shape == (300, height, width) and masks.dtype == bool
    hit = masks.any((1, 2))
    assert not masks.any(2).all(1).any() and not masks.any(1).all(1).any()
    sides = masks.any(2).sum(1) * masks.any(1).sum(1)
    assert np.array_equal(sides, masks.sum((1, 2))), "one rectangle in each image"
    if min(height, width) > 1:
        assert 0.4 < hit.mean() < 0.6
    if height == 32:
        part = masks[hit].mean((1, 2))
        assert part.min() >= ERASED[0] - 0.005 and 0.3 < part.max() <= ERASED[1] + 0.02
    assert not erase_draws(generator("erase", 0), 9, height, width, 0.0)[2:].any()


@pytest.mark.parametrize("side", [1, 4, 7, 40])
def test_a_square_has_its_side_and_any_pixel_as_its_centre(side: int) -> None:
    rectangles = square_draws(generator("square", 0), 2000, 9, 13, side)
    top, left, tall, wide = rectangles
    assert set(tall) == set(wide) == {side}
    assert set(top + side // 2) == set(range(9)) and set(left + side // 2) == set(range(13))
    masks = inside(*spans(torch.from_numpy(rectangles), 9, 13))
    rows, columns = (
        np.minimum(start + side, length) - np.maximum(start, 0)
        for start, length in ((top, 9), (left, 13))
    )
    assert masks.sum((1, 2)).tolist() == (rows * columns).tolist()


def test_places_are_mirrored_before_they_are_shifted() -> None:
    offset, mirrored = torch.tensor([0, 2, 3]), torch.tensor([True, False, True])
    known = [[3, 2, 1, 0], [2, 3, 4, 5], [6, 5, 4, 3]]
    assert places(4, offset, mirrored=mirrored).tolist() == known
