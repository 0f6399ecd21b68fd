"""A survey of a data set reads the headers of its pictures only."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_files import pictures
from PIL import Image

from nasflow.planning.survey import Survey, survey


def test_headers_are_enough_for_a_survey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = pictures(tmp_path / "train", {"x": [(20, 10)] * 9, "y": [(20, 10)] * 3})
    found = survey("folder", train, train)
    counts = {"train": 11, "validation": 1, "test": 12}
    assert found == Survey(12, 12, (10, 20, 1), True, {"x": 9, "y": 3}, counts)
    (train / "x" / "9.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"9\.png: no picture"):
        survey("folder", train, None)
    monkeypatch.setattr("nasflow.data.large.LARGEST", 199)
    (train / "x" / "9.png").unlink()
    with pytest.raises(ValueError, match=r"0\.png: too large \(20 x 10 pixels\); expected at most"):
        survey("folder", train, None)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ({"x": 9}, {}, "--train: '.*': 1 class; expected 2 or more"),
        ({"x": 9, "y": 0}, {}, "no train image of class 1 \\('y'\\)"),
        ({"x": 2, "y": 2}, {}, "data.validation_fraction: 0.1 of 3 images is none"),
        ({"x": 1, "y": 1}, {}, "data.test_fraction: 0.2 of 2 images is none"),
        ({"x": 9, "y": 9}, {"z": 1}, "--test: '.*': class 'z' is not in data.train"),
    ],
)
def test_a_survey_refuses_what_prepare_refuses(
    train: dict[str, int], test: dict[str, int], message: str, tmp_path: Path
) -> None:
    for name, counts in (("train", train), ("test", test)):
        pictures(tmp_path / name, {c: [(8, 8)] * n for c, n in counts.items()})
    with pytest.raises(ValueError, match=message):
        survey("folder", tmp_path / "train", tmp_path / "test" if test else None)


def test_turned_photos_and_test_pictures_of_another_size_are_seen(tmp_path: Path) -> None:
    train = pictures(tmp_path / "train", {"x": [(20, 10)] * 9, "y": [(20, 10)] * 9})
    test = pictures(tmp_path / "test", {"x": [(20, 12)]})
    assert survey("folder", train, None).uniform
    assert not survey("folder", train, test).uniform
    turned = Image.Exif()
    turned[0x112] = 6
    for kind in ("JPEG", "WEBP", "PNG", "TIFF"):
        Image.new("L", (20, 10)).save(train / "x/0.png", kind, exif=turned)
        assert not survey("folder", train, None).uniform, kind
