"""Batches can be replayed, cover each epoch and augment their images."""

from __future__ import annotations

import torch

from nasflow.training.batches import Batches, Split


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
