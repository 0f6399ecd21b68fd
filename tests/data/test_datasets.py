"""Splits are pure, disjoint and stratified."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import PARTS, class_folders, digest, keys, noise, parquet, png, refused, save_png

from nasflow.config.data import Data
from nasflow.data import pictures
from nasflow.data.datasets import Splits, describe, load_splits, stratified
from nasflow.randomness import generator


def test_digits_cover_the_whole_scale_and_nothing_is_lost(digits: Splits) -> None:
    assert sum(len(getattr(digits, f"{part}_images")) for part in PARTS) == 1797
    assert set(np.unique(digits.train_images)) == {round(v * 255 / 16) for v in range(17)}


def test_splits_repeat_themselves_and_follow_the_split_seed(digits: Splits) -> None:
    assert digest(load_splits(Data())) == digest(digits)
    assert digest(load_splits(Data(split_seed=1))) != digest(digits)


def test_the_splits_of_the_digits_are_those_of_the_first_release(digits: Splits) -> None:
    assert digest(digits).startswith("481dea535329e31b")


def test_validation_fraction_leaves_the_test_set_alone(digits: Splits) -> None:
    other = load_splits(Data(validation_fraction=0.3))
    assert keys(other.test_images) == keys(digits.test_images)


def test_splits_are_disjoint(digits: Splits) -> None:
    parts = [set(keys(getattr(digits, f"{part}_images"))) for part in PARTS]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 1797


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.integers(1, 60), min_size=2, max_size=8),
    st.floats(0.001, 0.9),
    st.integers(0, 2**63 - 1),
)
def test_each_class_gives_its_quota_and_keeps_an_image(
    sizes: list[int], fraction: float, seed: int
) -> None:
    labels = generator("shuffle", seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    marked = stratified(labels, fraction, generator("split", seed, 0))
    taken = np.bincount(labels[marked], minlength=len(sizes))
    assert np.all(np.abs(taken - fraction * np.array(sizes)) < 1.0 + 1e-9)
    assert np.all(taken < sizes)
    if min(sizes) >= 20:
        assert taken.sum() == round(fraction * sum(sizes))


def test_every_image_is_held_out_as_often_as_another() -> None:
    labels = np.repeat([0, 1], [10, 30])
    often = sum(
        stratified(labels, 0.2, generator("split", seed, 0)).astype(int) for seed in range(1000)
    )
    assert np.all(np.abs(often - 200) < 5 * np.sqrt(1000 * 0.2 * 0.8))


def test_a_fraction_of_too_few_images_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", [png(image) for image in noise(4)], [0, 1, 0, 1])
    refused(
        Data(source="parquet", train=path, test=path, validation_fraction=0.01),
        "data.validation_fraction: 0.01 of 4 images is none",
    )


def test_mean_and_deviation_are_those_of_the_train_images() -> None:
    images = noise(3000, channels=3, side=4)
    images[..., 2] = 7  # a constant channel
    empty = images[:0], np.zeros(0, dtype=np.int64)
    splits = Splits("digits", ("a",), images, np.zeros(3000, dtype=np.int64), *empty, *empty)
    facts = describe(splits)
    scaled = images.astype(np.float64) / 255
    assert np.allclose(facts["mean"], scaled.mean((0, 1, 2)), rtol=1e-12)
    assert np.allclose(facts["std"][:2], scaled.std((0, 1, 2))[:2], rtol=1e-12)
    assert facts["std"][2] == 1e-3


def test_facts_are_plain_json_and_count_every_image(digits: Splits) -> None:
    facts = describe(digits)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert sum(map(sum, facts["counts"].values())) == 1797
    assert facts["duplicates"] == {"validation": 0, "test": 0}
    assert (facts["source"], facts["channels"], facts["height"]) == ("digits", 1, 8)


def test_duplicates_between_splits_are_counted_by_their_pixels(tmp_path: Path) -> None:
    images = noise(20)
    labels = np.arange(20) % 2
    train = class_folders(tmp_path / "train", images, labels)
    test = class_folders(tmp_path / "test", np.concatenate([images[:3], noise(1)]), labels[:4])
    splits = load_splits(Data(source="folder", train=train, test=test))
    assert describe(splits)["duplicates"] == {"validation": 0, "test": 3}
    twice = class_folders(tmp_path / "twice", np.repeat(images[:2], 10, 0), np.repeat([0, 1], 10))
    splits = load_splits(Data(source="folder", train=twice, test=test))
    assert describe(splits)["duplicates"] == {"validation": 2, "test": 2}


def test_a_folder_of_the_digits_gives_the_pixels_back(digits: Splits, tmp_path: Path) -> None:
    images, labels = digits.validation_images, digits.validation_labels
    train = class_folders(tmp_path, images, labels)
    splits = load_splits(Data(source="folder", train=train))
    found = {
        image.tobytes(): label
        for part in PARTS
        for image, label in zip(
            getattr(splits, f"{part}_images"), getattr(splits, f"{part}_labels"), strict=True
        )
    }
    assert found == dict(zip(keys(images), labels.tolist(), strict=True))
    assert splits.classes == tuple(f"class_{label}" for label in range(10))


def test_splits_do_not_depend_on_how_a_folder_is_listed(
    digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = digits.validation_images, digits.validation_labels
    forwards = class_folders(tmp_path / "forwards", images, labels)
    backwards = class_folders(tmp_path / "backwards", images, labels, backwards=True)
    expected = digest(load_splits(Data(source="folder", train=forwards)))
    assert digest(load_splits(Data(source="folder", train=backwards))) == expected
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: reversed(sorted(listed(self))))
    assert digest(load_splits(Data(source="folder", train=forwards))) == expected


def test_images_stay_grey_only_if_all_are_grey(tmp_path: Path) -> None:
    grey, colour = noise(20), noise(4, channels=3)
    train = class_folders(tmp_path / "train", grey, np.arange(20) % 2)
    splits = load_splits(Data(source="folder", train=train))
    assert splits.train_images.shape[3] == 1
    test = class_folders(tmp_path / "test", colour, np.arange(4) % 2)
    mixed = load_splits(Data(source="folder", train=train, test=test))
    assert keys(mixed.test_images) == keys(colour[[0, 2, 1, 3]])
    repeated = {image.repeat(3, 2).tobytes() for image in grey}
    assert set(keys(mixed.train_images)) <= repeated


def test_size_makes_differing_pictures_equal(tmp_path: Path) -> None:
    train = class_folders(tmp_path, noise(10), np.arange(10) % 2)
    save_png(tmp_path / "class_1" / "wide.png", np.full((5, 9, 1), 77, dtype=np.uint8))
    refused(
        Data(source="folder", train=train),
        "wide.png: 9 x 5 pixels",
        "00000.png has 8 x 8",
        "data.size",
    )
    splits = load_splits(Data(source="folder", train=train, size=6, validation_fraction=0.2))
    everything = np.concatenate([splits.train_images, splits.validation_images, splits.test_images])
    assert everything.shape == (11, 6, 6, 1)
    assert any(np.all(image == 77) for image in everything)


def test_size_applies_to_arrays_too() -> None:
    splits = load_splits(Data(size=12))
    assert splits.train_images.shape[1:] == splits.test_images.shape[1:] == (12, 12, 1)
    constant = np.full((2, 8, 8, 3), 5, dtype=np.uint8)
    assert np.all(pictures.resize(constant, 12) == 5)


def test_nothing_heavy_is_imported_before_a_source_needs_it() -> None:
    code = "import sys, nasflow.data.datasets; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert b"nasflow.data.datasets" in modules.split()
    assert not {b"torch", b"torchvision", b"pyarrow", b"sklearn", b"PIL"} & set(modules.split())
