"""Which changes keep the class, on synthetic sets where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from nasflow.planning.symmetry import IMAGES, KEPT, KEPT_AT_FIRST, Symmetry, symmetry

Set = tuple[np.ndarray, np.ndarray]
SIDE, BAND = 16, 4


def columns(count: int, seed: int = 0) -> Set:
    """The class is the band of four columns in which one bright pixel stands."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 40, (count, SIDE, SIDE, 1)).astype(np.uint8)
    row, column = rng.integers(0, SIDE, (2, count))
    images[np.arange(count), row, column] = 255
    return images, (column // BAND).astype(np.int64)


def textures(count: int, seed: int = 0, channels: int = 1) -> Set:
    """The class is a texture: stripes across, stripes down, or noise, each at a random place."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    places = np.arange(SIDE) + rng.integers(0, 4, (count, 1))
    stripes = np.where(places % 4 < 2, 200, 50)
    kinds = (
        np.broadcast_to(stripes[:, :, None], (count, SIDE, SIDE)),
        np.broadcast_to(stripes[:, None, :], (count, SIDE, SIDE)),
        np.where(rng.random((count, SIDE, SIDE)) < 0.5, 200, 50),
    )
    pixels = np.choose(labels[:, None, None], kinds) + rng.integers(-20, 20, (count, SIDE, SIDE))
    images = np.repeat(pixels[..., None], channels, axis=3).astype(np.uint8)
    return images, labels.astype(np.int64)


def sides(count: int) -> Set:
    """The class is the half, left or right, in which a bright patch stands: shifts keep it."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (count, SIDE, SIDE, 1)).astype(np.uint8)
    labels = np.arange(count) % 2
    for image, label, row in zip(images, labels, rng.integers(3, SIDE - 5, count), strict=True):
        start = 3 + 8 * label
        image[row : row + 3, start : start + 3] = 220
    return images, labels.astype(np.int64)


def kept(found: Symmetry) -> tuple[bool, bool]:
    """Whether images may be mirrored, and shifted."""
    return found.mirrors, found.shifts


def test_a_class_that_is_a_column_is_neither_mirrored_nor_shifted() -> None:
    found = symmetry(*columns(1500), BAND)
    assert found.accuracy > 0.9 > 0.4 > found.chance
    assert max(found.mirrored, found.shifted) < 0.5
    assert kept(found) == (False, False)
    assert found.images == 500


@pytest.mark.parametrize("channels", [1, 3])
def test_a_class_that_is_a_texture_is_mirrored_and_shifted(channels: int) -> None:
    found = symmetry(*textures(1500, channels=channels), 2)
    assert min(found.accuracy, found.mirrored, found.shifted) > 0.9
    assert kept(found) == (True, True)


def test_a_class_that_is_a_side_is_shifted_and_not_mirrored() -> None:
    assert kept(symmetry(*sides(900), 1)) == (False, True)


@pytest.mark.filterwarnings("error")  # a user of `nasflow init` sees no warning of torch either
@pytest.mark.parametrize("count", [0, 1, 2, 3, 6, 9])
def test_too_few_images_say_nothing(count: int) -> None:
    for images, labels in (columns(count), textures(count)):
        assert kept(symmetry(images, labels, 1)) == (False, False)


@pytest.mark.parametrize("classes", [2, 7])
def test_where_no_class_is_recognised_only_changes_that_nobody_notices_are_made(
    classes: int,
) -> None:
    """Textures at random places look alike in a mirror. A wedge of light shows left and right."""
    images, _ = textures(1500)
    labels = np.random.default_rng(1).integers(0, classes, len(images))
    found = symmetry(images, labels, 1)
    assert not found.knows and found.mirrored_noticed < 0.6
    assert found.mirrors
    wedges = (images * 0.5 + np.linspace(0, 100, SIDE)[:, None]).astype(np.uint8)
    found = symmetry(wedges, labels, 1)
    assert not found.knows and found.mirrored_noticed > 0.95
    assert not found.mirrors


def test_a_frame_at_a_fixed_place_shows_that_an_image_was_shifted() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (900, SIDE, SIDE, 1)).astype(np.uint8)
    images[:, 4:12, 4:12] += 150
    found = symmetry(images, rng.integers(0, 2, 900), 2)
    assert found.mirrored_noticed < 0.6 < 0.95 < found.shifted_noticed
    assert kept(found) == (True, False)


def test_where_classes_are_recognised_nobody_is_asked_what_he_notices() -> None:
    found = symmetry(*sides(900), 1)
    assert found.knows and (found.mirrored_noticed, found.shifted_noticed) == (1.0, 1.0)


def test_a_few_images_are_enough_to_notice_a_change_and_too_few_say_nothing() -> None:
    unknown = Symmetry(0.5, 0.5, 0.5, 0.5, 0.5, 70, 0.5, 0.66)
    assert kept(unknown) == (True, False), "3 standard errors of 140 answers are 0.13"
    assert kept(unknown._replace(images=8)) == (False, False)


@pytest.mark.parametrize("labels", [np.zeros(60, dtype=np.int64), np.arange(60)])
def test_one_class_or_a_class_for_each_image_says_nothing(labels: np.ndarray) -> None:
    assert kept(symmetry(textures(60)[0], labels, 1)) == (False, False)


def test_equal_images_say_nothing() -> None:
    images = np.full((60, 8, 8, 3), 7, dtype=np.uint8)
    found = symmetry(images, np.arange(60) % 2, 1)
    assert np.isfinite([found.accuracy, found.mirrored, found.shifted]).all()
    assert kept(found) == (False, False)


def test_the_answer_is_the_same_each_time_and_looks_at_few_images() -> None:
    images, labels = columns(IMAGES + 600)
    found = symmetry(images, labels, 1)
    assert found == symmetry(images, labels, 1)
    assert found.images == IMAGES - int(2 / 3 * IMAGES)


def test_wide_bands_are_seen_in_smaller_images_and_single_pixels_are_not() -> None:
    images, labels = columns(1500)
    assert symmetry(images, labels, 1).keeps(symmetry(images, labels, 1).coarse, KEPT_AT_FIRST)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 1500)
    board = (np.arange(SIDE)[:, None] + np.arange(SIDE)) % 2
    fine = np.where(labels[:, None, None] == 1, 100 + 50 * board, 125)
    noisy = fine + rng.integers(-20, 20, (1500, SIDE, SIDE))
    found = symmetry(noisy[..., None].astype(np.uint8), labels.astype(np.int64), 1)
    assert found.accuracy > 0.9, "the classes differ in a checkerboard of single pixels"
    assert not found.keeps(found.coarse, KEPT_AT_FIRST)


def test_a_change_must_keep_a_part_of_what_is_above_chance() -> None:
    base = Symmetry(0.9, 0.1, 0.0, 0.0, 0.0, 1000)
    least = base.chance + KEPT * (base.accuracy - base.chance)
    assert base.keeps(least + 1e-6) and not base.keeps(least - 1e-6)
    near = base._replace(accuracy=0.12)  # within the noise of 1000 images
    assert not near.keeps(1.0)
