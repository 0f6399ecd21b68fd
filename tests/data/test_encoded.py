"""Folders and Parquet files of pictures are read, or refused in one line."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_files import class_folders, digest, noise, parquet, png, refused, refused_data

from nasflow.config.data import Data
from nasflow.data.datasets import Splits, load_splits, stratified
from nasflow.randomness import generator


@pytest.mark.parametrize("layout", ["struct", "flattened", "binary"])
@pytest.mark.parametrize("image", ["image", "img"])
def test_all_parquet_layouts_give_the_same_splits(
    layout: str, image: str, digits: Splits, tmp_path: Path
) -> None:
    images, labels = digits.validation_images, digits.validation_labels
    path = parquet(
        tmp_path / "a.parquet",
        [png(one) for one in images],
        labels.astype(np.int32),
        layout,
        image,
        label="fine_label" if image == "img" else "labels",
    )
    splits = load_splits(Data(source="parquet", train=path))
    marked = stratified(labels, 0.2, generator("split", 0, 0))
    assert np.array_equal(splits.test_images, images[marked])
    assert np.array_equal(splits.test_labels, labels[marked])
    assert splits.classes == tuple("0123456789")


def test_a_glob_joins_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    images, labels = noise(30), np.arange(30) % 3
    contents = [png(image) for image in images]
    whole = parquet(tmp_path / "whole.parquet", contents, labels)
    for part in (2, 0, 1):
        rows = slice(10 * part, 10 * part + 10)
        parquet(tmp_path / "parts" / f"p-{part}.parquet", contents[rows], labels[rows])
    joined = load_splits(Data(source="parquet", train=str(tmp_path / "parts" / "*.parquet")))
    assert digest(joined) == digest(load_splits(Data(source="parquet", train=whole)))


def test_class_names_come_from_the_metadata(tmp_path: Path) -> None:
    contents = [png(image) for image in noise(10)]
    path = parquet(tmp_path / "a.parquet", contents, [0, 1] * 5, names=["cat", "dog"])
    assert load_splits(Data(source="parquet", train=path)).classes == ("cat", "dog")


GOOD = [png(image) for image in noise(6)]


@pytest.mark.parametrize(
    ("contents", "labels", "words"),
    [
        (GOOD[:0], np.zeros(0, dtype=np.int64), ["data.train", "no images"]),
        (GOOD, [0, 1, 0, -1, 0, 1], ["a.parquet, row 3", "label -1", "0 or more"]),
        (GOOD, [0.0, 1.0] * 3, ["a.parquet, column 'label'", "type double", "whole numbers"]),
        (GOOD, ["cat", "", "dog"] * 2, ["column 'label', row 1", "an empty label"]),
        (GOOD, list("abcdef"), ["6 images with 6 different texts as labels"]),
        (GOOD, [0, 1, None, 1, 0, 1], ["column 'label', row 2", "no label"]),
        (GOOD, [0, 2] * 3, ["data.train", "no train image of class 1", "3 classes"]),
        (GOOD, [0, 10**12] * 3, ["no train image of class 1"]),
        (GOOD, [0] * 6, ["data.train", "1 class; expected 2 or more"]),
        ([*GOOD[:4], None, GOOD[5]], [0, 1] * 3, ["column 'image', row 4", "no bytes"]),
        ([*GOOD[:4], b"junk", GOOD[5]], [0, 1] * 3, ["a.parquet, row 4", "no picture"]),
        ([*GOOD[:4], GOOD[4][:60], GOOD[5]], [0, 1] * 3, ["row 4", "corrupt picture"]),
        ([*GOOD[:4], b"<!DOCTYPE html>", GOOD[5]], [0, 1] * 3, ["row 4", "an HTML or XML page"]),
        ([*GOOD[:4], png(noise(1, side=9)[0]), GOOD[5]], [0, 1] * 3, ["row 4: 9 x 9 pixels"]),
    ],
)
def test_a_wrong_parquet_file_is_refused_by_row_or_column(
    contents: Sequence[bytes | None], labels: Any, words: list[str], tmp_path: Path
) -> None:
    path = parquet(tmp_path / "a.parquet", contents, labels)
    refused(Data(source="parquet", train=path, validation_fraction=0.4), *words)


def test_parquet_files_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    data = Data(source="parquet", train=str(path))
    refused(data, "data.train", "matches none")
    path.write_text("\n<html><body>404</body></html>")
    refused(data, str(path), "an HTML or XML page instead of data", "download it again")
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    refused(data, "Git LFS pointer", "git lfs pull")
    path.write_bytes(b"PAR1")
    refused(data, "no readable Parquet file", "replace it")
    path.unlink()
    path.mkdir()
    refused(data, "is a folder", "a.parquet/*.parquet")


def test_unusable_columns_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    data = Data(source="parquet", train=str(path))
    pq.write_table(pa.table({"text": ["a"], "label": [0]}), path)
    refused(data, "columns text, label", "image, img")
    pq.write_table(pa.table({"image": [b"a"], "class": [0]}), path)
    refused(data, "columns image, class", "label, labels, fine_label")
    pq.write_table(pa.table({"image": [[0, 1]], "label": [0]}), path)
    refused(data, "column 'image'", "list<", "expected encoded images")


def test_class_names_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    few = parquet(tmp_path / "few.parquet", GOOD, [0, 1, 2] * 2, names=["cat", "dog"])
    refused(Data(source="parquet", train=few), "label 2, but 2 class names")
    many = parquet(tmp_path / "many.parquet", GOOD, [0, 1] * 3, names=["cat", "dog", "owl"])
    refused(Data(source="parquet", train=many), "class 2 ('owl')")
    parquet(tmp_path / "p" / "0.parquet", GOOD, [0, 1] * 3, names=["cat", "dog"])
    parquet(tmp_path / "p" / "1.parquet", GOOD, [0, 1] * 3, names=["dog", "cat"])
    refused(Data(source="parquet", train=str(tmp_path / "p" / "*")), "class names differ")


def test_unusable_folders_are_refused(tmp_path: Path) -> None:
    train = tmp_path / "train"
    data = Data(source="folder", train=str(train), validation_fraction=0.5)
    refused(data, "data.train", "is no folder")
    train.mkdir()
    refused(data, "no class folders")
    (train / "class_0").mkdir()
    (train / "class_1").mkdir()
    refused(data, "no images")
    class_folders(train, noise(4), np.zeros(4, dtype=int))
    refused(data, "no train image of class 1 ('class_1')")
    (train / "class_1" / ".hidden").write_text("skipped")
    (train / "readme.txt").write_text("skipped")
    (train / "class_1" / "notes.txt").write_text("not an image")
    refused(data, "notes.txt: no picture")
    refused(Data(source="folder", train=str(tmp_path)), f"train: {train} under data")
    train.rename(tmp_path / "pictures")
    refused(Data(source="folder", train=str(tmp_path)), "point data.train at the folder of the")


def test_a_folder_of_parts_says_what_to_write(photos: Path, tmp_path: Path) -> None:
    for name in ("Train", "val"):
        (tmp_path / name).mkdir()
    refused_data(
        f"train: {tmp_path}/Train, validation: {tmp_path}/val under data",
        source="folder",
        train=str(tmp_path),
    )


def test_litter_of_systems_is_no_picture_and_no_class(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos/__MACOSX/one").mkdir(parents=True)
    for name in ("Thumbs.db", "one/Thumbs.db", "one/desktop.ini"):
        (tmp_path / "photos" / name).write_bytes(b"x")
    found, clean = (
        load_splits(Data(source="folder", train=str(top), size=8))
        for top in (tmp_path / "photos", photos)
    )
    assert found.classes == clean.classes
    assert np.array_equal(found.train_images, clean.train_images)
