"""`nasflow predict --mirror`: the means of the logits of an image and of its mirror image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from places import GOLDEN
from torch import Tensor

from nasflow.__main__ import main
from nasflow.command.mirrored import Mirrored

NETWORK = GOLDEN / "nasgd/seed_0/final/network"


class Linear:
    """A network of one layer, whose logits the test knows."""

    shape = (1, 2, 3)
    weight = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))

    def logits(self, images: Tensor) -> Tensor:
        return images.double().flatten(1) @ self.weight.double() / 100.0

    def __call__(self, images: Tensor) -> Tensor:
        return self.logits(images).softmax(1)


def test_the_probabilities_are_those_of_the_mean_of_the_logits() -> None:
    images = torch.randint(0, 256, (5, 1, 2, 3), generator=torch.Generator().manual_seed(1))
    network, both = Linear(), Mirrored(Linear())
    mean = (network.logits(images) + network.logits(images.flip(3))) / 2.0
    assert both.shape == network.shape
    torch.testing.assert_close(both(images), mean.softmax(1))
    torch.testing.assert_close(both(images), both(images.flip(3)))
    assert not torch.allclose(both(images), network(images))


def test_a_class_that_is_impossible_stays_impossible() -> None:
    class Sure(Linear):
        def __call__(self, images: Tensor) -> Tensor:
            return torch.tensor([[1.0, 0.0]]).expand(len(images), 2)

    assert Mirrored(Sure())(torch.zeros(3, 1, 2, 3)).tolist() == [[1.0, 0.0]] * 3


def test_a_picture_and_its_mirror_image_get_the_same_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = Image.radial_gradient("L").resize((8, 8)).rotate(30)
    picture.save(tmp_path / "one.png")
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "two.png")

    def found(*flags: str) -> list[dict[str, float]]:
        assert main(["predict", str(NETWORK), str(tmp_path), "--json", *flags]) == 0
        return [record["probabilities"] for record in json.loads(capsys.readouterr().out)]

    plain, mirrored = found(), found("--mirror")
    assert mirrored[0] == pytest.approx(mirrored[1]) and plain[0] != pytest.approx(plain[1])
