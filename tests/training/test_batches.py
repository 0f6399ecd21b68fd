"""Batches can be replayed, cover each epoch and augment their images."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from nasflow.config.data import Augment
from nasflow.randomness import generator
from nasflow.training.batches import Batches, Split, varied


def test_batches_are_replayable_cover_an_epoch_and_shift_by_pixels() -> None:
    images = torch.arange(20 * 16).reshape(20, 4, 4, 1).remainder(256).to(torch.uint8)
    split = Split(images, torch.arange(20), torch.zeros(1), torch.ones(1))
    a, b = (Batches(split, 5, "train", (1,), flip=True, shift=1) for _ in range(2))
    ahead = a(7)
    seen = torch.cat([b(i)[1] for i in range(4)])
    assert sorted(seen.tolist()) == list(range(20))
    assert torch.equal(b(7)[0], ahead[0])
    still = Batches(split, 5, "train", (1,))
    image, label = still(0)
    assert torch.equal(image[0, 0] * 255, images[label[0], :, :, 0].float())
    moved = Batches(split, 5, "train", (1,), shift=1)(0)[0]
    padded = torch.nn.functional.pad(image[0, 0], (1, 1, 1, 1))
    windows = [padded[i : i + 4, j : j + 4] for i in range(3) for j in range(3)]
    assert any(torch.equal(moved[0, 0], w) for w in windows)


def test_a_mirrored_split_has_the_columns_of_each_image_in_reverse() -> None:
    images = torch.arange(2 * 2 * 3 * 2, dtype=torch.uint8).reshape(2, 2, 3, 2)
    split = Split(images, torch.arange(2), torch.zeros(2), torch.ones(2))
    mirrored = split.mirrored()
    assert torch.equal(mirrored.chunk(0, 2)[0], split.chunk(0, 2)[0].flip(3))
    assert torch.equal(mirrored.labels, split.labels)
    assert torch.equal(mirrored.mirrored().images, images)


def test_alternating_flip_shows_both_sides_of_every_image_in_two_epochs() -> None:
    images = torch.arange(12, dtype=torch.uint8).reshape(6, 1, 2, 1)
    split = Split(images, torch.arange(6), torch.zeros(1), torch.ones(1))
    stream = Batches(split, 3, "final", (0,), flip=True, alternate=True)
    seen: dict[int, list[bool]] = {i: [] for i in range(6)}
    for step in range(4):
        for image, label in zip(*stream(step), strict=True):
            seen[int(label)].append(bool(image[0, 0, 0] > image[0, 0, 1]))
    assert all(sorted(sides) == [False, True] for sides in seen.values())
    assert len({tuple(sides) for sides in seen.values()}) == 2


CHANGES: dict[str, dict[str, Any]] = {
    "crop": {"crop": 0.6},
    "colour": {"colour": 0.4},
    "erase": {"erase": 0.5},
    "mixup": {"mixup": 0.2, "classes": 7},
    "cutmix": {"cutmix": 1.0, "classes": 7},
    "all": {
        "flip": True,
        "shift": 1,
        "cutout": 2,
        "alternate": True,
        "crop": 0.3,
        "colour": 1.0,
        "erase": 1.0,
        "mixup": 1.0,
        "cutmix": 1.0,
        "classes": 7,
    },
}


def drawn(*shape: int) -> Split:
    pixels = generator("old batches").integers(0, 256, shape, dtype=np.uint8)
    mean, std = torch.full((shape[3],), 0.4), torch.full((shape[3],), 0.25)
    return Split(torch.from_numpy(pixels), torch.arange(shape[0]) % 7, mean, std)


@pytest.mark.parametrize("shape", [(40, 9, 13, 3), (40, 4, 4, 1), (40, 32, 32, 3)])
@pytest.mark.parametrize("kind", list(CHANGES))
def test_every_change_can_be_replayed_and_keeps_shape_type_and_memory_order(
    kind: str, shape: tuple[int, int, int, int]
) -> None:
    split, options = drawn(*shape), CHANGES[kind]
    a, b = (Batches(split, 8, "train", (3,), **options) for _ in range(2))
    ahead = a(7)
    assert a(0)[0].shape == (8, shape[3], *shape[1:3])
    assert all(map(torch.equal, b(7), ahead)), "steps before it change nothing"
    images, labels = ahead
    assert images.dtype == torch.float32 and bool(torch.isfinite(images).all())
    assert images.is_contiguous(memory_format=torch.channels_last)
    plain = Batches(split, 8, "train", (3,))(7)
    assert not torch.equal(images, plain[0])
    assert not all(map(torch.equal, Batches(split, 8, "train", (4,), **options)(7), ahead))
    if "classes" in options:
        assert labels.dtype == torch.float32 and labels.shape == (8, 7)
        assert torch.allclose(labels.sum(1), torch.ones(8))
    else:
        assert torch.equal(labels, plain[1])


def test_one_change_does_not_alter_what_another_one_draws() -> None:
    split = replace(drawn(40, 9, 13, 3), mean=torch.full((3,), -1.0))  # no pixel has the mean
    one = Batches(split, 8, "train", (3,), erase=1.0)(5)[0] == 0.0
    both = Batches(split, 8, "train", (3,), erase=1.0, colour=0.3)(5)[0] == 0.0
    assert torch.equal(one, both)
    crop = Batches(split, 8, "train", (3,), crop=0.5)(5)[0]
    erased = Batches(split, 8, "train", (3,), crop=0.5, erase=0.5)(5)[0]
    assert torch.equal(crop[erased != 0.0], erased[erased != 0.0])


def test_batches_without_the_newer_changes_are_those_of_the_releases_before_them() -> None:
    """The digests were computed before crops, colours, erasing and mixtures were there."""
    split = drawn(40, 9, 13, 3)
    known = {
        "32649998d5d8": Batches(split, 8, "train", (3,)),
        "f250609d71ff": Batches(split, 8, "train", (3,), flip=True, shift=1),
        "18496b66107a": Batches(split, 8, "train", (3,), cutout=3),
        "655c170c26c9": Batches(
            split, 8, "train", (3,), flip=True, shift=2, cutout=5, alternate=True
        ),
    }
    for digest, batches in known.items():
        whole = hashlib.sha256()
        for step in (0, 3, 11):
            for tensor in batches(step):
                whole.update(np.ascontiguousarray(tensor.numpy()).tobytes())
        assert whole.hexdigest()[:12] == digest


def test_mixed_labels_need_the_number_of_classes() -> None:
    with pytest.raises(ValueError, match="classes: 0; expected at least 1"):
        Batches(drawn(40, 4, 4, 1), 8, "train", (3,), mixup=0.2)


def test_the_section_decides_which_changes_there_are_and_labels_of_a_search_stay() -> None:
    split = drawn(40, 9, 13, 3)
    section = Augment(flip=True, shift=2, crop=0.5, colour=0.2, erase=0.3, mixup=1.0, cutmix=1.0)
    own = Batches(split, 8, "train", (3,), flip=True, shift=2, crop=0.5, colour=0.2, erase=0.3)
    assert all(map(torch.equal, varied(split, 8, "train", (3,), section)(1), own(1)))
    assert varied(split, 8, "train", (3,), Augment())(0)[1].dtype == torch.int64
