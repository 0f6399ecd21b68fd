"""A rehearsal finds what `prepare` finds, without decoding a picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from nasflow.config.data import Data
from nasflow.config.kinds import Source
from nasflow.data.datasets import load_splits
from nasflow.data.rehearsal import check_sizes, rehearse


def photos(folder: Path, classes: int, each: int, size: tuple[int, int] = (12, 8)) -> Data:
    for label in range(classes):
        for i in range(each):
            file = folder / f"class {label}" / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (label, i % 256, 0)).save(file)
    return Data(source=Source.FOLDER, train=str(folder))


@pytest.mark.parametrize("each", [3, 10, 17])
def test_the_splits_are_those_of_prepare(each: int, tmp_path: Path) -> None:
    data = photos(tmp_path / "photos", 4, each)
    splits, found = load_splits(data), rehearse(data)
    assert found.counts == {split: len(y) for split, y in splits.labels.items()}
    assert found.classes == splits.classes
    check_sizes(found.headers)
    assert {header[1:] for header in found.headers} == {(8, 12, 3)}


def test_the_size_of_every_format_is_that_of_the_upright_picture(tmp_path: Path) -> None:
    photos(tmp_path / "photos", 2, 10)
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
            Image.new("RGB", (12, 8)).save(tmp_path / "photos/class 0/0.png", kind, exif=exif)
            one = Data(source=Source.FOLDER, train=str(tmp_path / "photos"), size=None)
            heights = {header.height for header in rehearse(one).headers}
            assert heights == ({8} if turn < 5 else {8, 12}), (turn, kind)
            if turn < 5:
                assert load_splits(one).train_images.shape[1:3] == (8, 12)
                continue
            with pytest.raises(ValueError, match=r"(8 x 12|12 x 8) pixels, but"):
                load_splits(one)
            with pytest.raises(ValueError, match=r"set data\.size to resize"):
                check_sizes(rehearse(one).headers)


def test_a_split_file_is_checked_without_pixels(tmp_path: Path) -> None:
    data = photos(tmp_path / "photos", 2, 10)
    (tmp_path / "split.csv").write_text("image,split\nnone.png,train\n")
    with pytest.raises(ValueError, match="not listed; expected every image"):
        rehearse(data.model_copy(update={"split": str(tmp_path / "split.csv")}))
