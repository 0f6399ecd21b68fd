"""The images that a network is quantised by are training images, and the same in every call."""

from __future__ import annotations

import pytest
import torch
from places import GOLDEN

from nasflow.data import calibration as module
from nasflow.data.calibration import calibration
from nasflow.storage.splits import read_split


def test_they_are_training_images_each_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    train = read_split(GOLDEN / "data", "train", "cpu").images.permute(0, 3, 1, 2)
    monkeypatch.setattr(module, "IMAGES", 5)
    drawn = calibration(GOLDEN / "data")
    assert drawn.dtype == torch.uint8 and drawn.shape == (5, 1, 8, 8)
    known = {image.numpy().tobytes() for image in train}
    assert {image.contiguous().numpy().tobytes() for image in drawn} <= known
    assert torch.equal(drawn, calibration(GOLDEN / "data"))


def test_a_small_data_set_gives_all_that_it_has() -> None:
    train = read_split(GOLDEN / "data", "train", "cpu").images
    assert len(calibration(GOLDEN / "data")) == len(train)
