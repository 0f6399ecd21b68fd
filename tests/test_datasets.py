"""Splits are pure, disjoint and stratified; pictures arrive as they are; wrong input says so."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nasflow.config.experiment import Data
from nasflow.data import image_sources, pictures
from nasflow.data.datasets import Splits, describe, load_splits, stratified
from nasflow.randomness import generator

RNG = np.random.default_rng(0)
PARTS = ("train", "validation", "test")


def arrays(splits: Splits) -> list[np.ndarray]:
    return [getattr(splits, f"{part}_{kind}") for part in PARTS for kind in ("images", "labels")]


def digest(splits: Splits) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays(splits))).hexdigest()


def keys(images: np.ndarray) -> list[bytes]:
    return [image.tobytes() for image in images]


def noise(n: int, channels: int = 1, side: int = 8) -> np.ndarray:
    return RNG.integers(0, 256, (n, side, side, channels), dtype=np.uint8)


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(image))


def png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(stream, "PNG")
    return stream.getvalue()


def folder(top: Path, images: np.ndarray, labels: np.ndarray, backwards: bool = False) -> str:
    order = range(len(images))
    for index in reversed(order) if backwards else order:
        save(top / f"class_{labels[index]}" / f"{index:05d}.png", images[index])
    return str(top)


def parquet(
    path: Path,
    contents: Sequence[bytes | None],
    labels: Any,
    layout: str = "struct",
    image: str = "image",
    label: str = "label",
    names: list[str] | None = None,
) -> str:
    """A file as Hugging Face writes it; layout is struct, flattened or binary."""
    column: Any = pa.array(contents, pa.binary())
    if layout == "struct":
        column = pa.StructArray.from_arrays(
            [column, pa.nulls(len(contents), pa.string())], names=["bytes", "path"]
        )
    name = f"{image}.bytes" if layout == "flattened" else image
    table = pa.table({name: column, label: pa.array(labels), "id": pa.array(range(len(contents)))})
    if names is not None:
        features = {label: {"names": names, "_type": "ClassLabel"}}
        text = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": text})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return str(path)


def refused(data: Data, *words: str) -> None:
    """The message is one line and holds all words."""
    with pytest.raises(ValueError) as caught:
        load_splits(data)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.fixture(scope="module")
def digits() -> Splits:
    return load_splits(Data())


# --- splits ----------------------------------------------------------------------------------


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


# --- data.json -------------------------------------------------------------------------------


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
    train = folder(tmp_path / "train", images, labels)
    test = folder(tmp_path / "test", np.concatenate([images[:3], noise(1)]), labels[:4])
    splits = load_splits(Data(source="folder", train=train, test=test))
    assert describe(splits)["duplicates"] == {"validation": 0, "test": 3}
    twice = folder(tmp_path / "twice", np.repeat(images[:2], 10, 0), np.repeat([0, 1], 10))
    splits = load_splits(Data(source="folder", train=twice, test=test))
    assert describe(splits)["duplicates"] == {"validation": 2, "test": 2}


# --- pictures --------------------------------------------------------------------------------


def test_a_folder_of_the_digits_gives_the_pixels_back(digits: Splits, tmp_path: Path) -> None:
    images, labels = digits.validation_images, digits.validation_labels
    train = folder(tmp_path, images, labels)
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
    forwards = folder(tmp_path / "forwards", images, labels)
    backwards = folder(tmp_path / "backwards", images, labels, backwards=True)
    expected = digest(load_splits(Data(source="folder", train=forwards)))
    assert digest(load_splits(Data(source="folder", train=backwards))) == expected
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: reversed(sorted(listed(self))))
    assert digest(load_splits(Data(source="folder", train=forwards))) == expected


def test_threads_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(40)
    contents = [png(image) for image in images]
    monkeypatch.setattr(pictures, "BLOCK", 3)
    for count in (1, 4):
        monkeypatch.setattr("os.cpu_count", lambda count=count: count)
        assert np.array_equal(pictures.decode(["x"] * 40, contents, None), images)


def test_images_stay_grey_only_if_all_are_grey(tmp_path: Path) -> None:
    grey, colour = noise(20), noise(4, channels=3)
    train = folder(tmp_path / "train", grey, np.arange(20) % 2)
    splits = load_splits(Data(source="folder", train=train))
    assert splits.train_images.shape[3] == 1
    test = folder(tmp_path / "test", colour, np.arange(4) % 2)
    mixed = load_splits(Data(source="folder", train=train, test=test))
    assert keys(mixed.test_images) == keys(colour[[0, 2, 1, 3]])
    repeated = {image.repeat(3, 2).tobytes() for image in grey}
    assert set(keys(mixed.train_images)) <= repeated


def test_size_makes_differing_pictures_equal(tmp_path: Path) -> None:
    train = folder(tmp_path, noise(10), np.arange(10) % 2)
    save(tmp_path / "class_1" / "wide.png", np.full((5, 9, 1), 77, dtype=np.uint8))
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


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_mode_of_eight_bits_is_read(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    Image.new("RGB", (5, 4), (255, 255, 255)).convert(mode).save(path)
    image = pictures.decode(["a"], [path], None)
    assert image.shape == (1, 4, 5, 1 if mode in ("1", "L", "LA") else 3)
    assert np.all(image == 255)


def test_pictures_of_more_than_eight_bits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((4, 4), 40000, dtype=np.uint16)).save(path)
    with pytest.raises(ValueError, match=r"deep: mode I;16; expected 8 bits"):
        pictures.decode(["deep"], [path], None)


def test_postscript_is_never_opened() -> None:
    with pytest.raises(ValueError, match="no picture; expected one of PNG"):
        pictures.decode(["a.eps"], [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"], None)


# --- Parquet ---------------------------------------------------------------------------------


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


def test_test_labels_are_matched_by_class_name(tmp_path: Path) -> None:
    contents = [png(image) for image in noise(10)]
    train = parquet(tmp_path / "a.parquet", contents, [0, 1] * 5, names=["cat", "dog"])
    test = parquet(tmp_path / "b.parquet", contents[:3], [0, 1, 1], names=["dog", "cat"])
    splits = load_splits(Data(source="parquet", train=train, test=test))
    assert splits.test_labels.tolist() == [1, 0, 0]


def test_a_test_folder_may_lack_a_class(tmp_path: Path) -> None:
    train = folder(tmp_path / "train", noise(12), np.arange(12) % 3)
    test = folder(tmp_path / "test", noise(2), np.array([2, 2]))
    splits = load_splits(Data(source="folder", train=train, test=test))
    assert splits.test_labels.tolist() == [2, 2]
    assert describe(splits)["counts"]["test"] == [0, 0, 2]


# --- refusals --------------------------------------------------------------------------------

GOOD = [png(image) for image in noise(6)]


@pytest.mark.parametrize(
    ("contents", "labels", "words"),
    [
        (GOOD[:0], np.zeros(0, dtype=np.int64), ["data.train", "no images"]),
        (GOOD, [0, 1, 0, -1, 0, 1], ["a.parquet, row 3", "label -1", "0 or more"]),
        (GOOD, [0.0, 1.0] * 3, ["a.parquet, column 'label'", "type double", "whole numbers"]),
        (GOOD, ["cat", "dog"] * 3, ["column 'label'", "type string", "number the classes"]),
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
    refused(Data(source="parquet", train=path), *words)


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


def test_test_classes_unknown_in_train_are_refused(tmp_path: Path) -> None:
    train = parquet(tmp_path / "a.parquet", GOOD, [0, 1] * 3)
    test = parquet(tmp_path / "b.parquet", GOOD, [0, 1, 5] * 2)
    refused(
        Data(source="parquet", train=train, test=test), "b.parquet, row 2", "label 5", "2 classes"
    )
    train = folder(tmp_path / "train", noise(6), np.arange(6) % 2)
    test = folder(tmp_path / "test", noise(6), np.arange(6) % 3)
    refused(Data(source="folder", train=train, test=test), "data.test", "'class_2' is not in")


def test_unusable_folders_are_refused(tmp_path: Path) -> None:
    train = tmp_path / "train"
    data = Data(source="folder", train=str(train))
    refused(data, "data.train", "is no folder")
    train.mkdir()
    refused(data, "no class folders")
    (train / "class_0").mkdir()
    (train / "class_1").mkdir()
    refused(data, "no images")
    folder(train, noise(4), np.zeros(4, dtype=int))
    refused(data, "no train image of class 1 ('class_1')")
    (train / "class_1" / ".hidden").write_text("skipped")
    (train / "readme.txt").write_text("skipped")
    (train / "class_1" / "notes.txt").write_text("not an image")
    refused(data, "notes.txt: no picture")
    refused(Data(source="folder", train=str(tmp_path)), f"train: {train} under data")
    train.rename(tmp_path / "pictures")
    refused(Data(source="folder", train=str(tmp_path)), "point data.train at the folder of the")


def test_a_source_on_disk_needs_a_path() -> None:
    refused(Data(source="parquet"), "data.train: null")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(3, dtype=np.int64), "x: 4 images but 3 labels"),
        (np.array([0, 1, -1, 0]), "x, image 2: label -1"),
        (np.array([0.0, 1.0, 0.5, 0.0]), "type float64"),
        (np.eye(4, dtype=np.int64), "shape (4, 4)"),
    ],
)
def test_wrong_labels_of_a_library_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        image_sources.labelled(noise(4), labels, "x")


# --- torchvision -----------------------------------------------------------------------------

FAKES: dict[str, Callable[[Path, pytest.MonkeyPatch], list[np.ndarray]]] = {}


def fake(source: str) -> Callable[[Any], Any]:
    """Registers a writer of a tiny data set in torchvision's own format, with its own checksums."""
    return lambda writer: FAKES.setdefault(source, writer)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def _cifar(root: Path, monkeypatch: pytest.MonkeyPatch, name: str, key: str) -> list[np.ndarray]:
    import torchvision

    kind = getattr(torchvision.datasets, name)
    base = root / kind.base_folder
    base.mkdir(parents=True)
    parts = [noise(20, 3, 32), noise(10, 3, 32)]
    lists = []
    for file, images in zip(("fake_train", "fake_test"), parts, strict=True):
        rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        content = {"data": rows, key: [index % 2 for index in range(len(images))]}
        (base / file).write_bytes(pickle.dumps(content))
        lists.append([[file, _md5(base / file)]])
    meta = base / kind.meta["filename"]
    meta.write_bytes(pickle.dumps({kind.meta["key"]: ["cat", "dog"]}))
    monkeypatch.setattr(kind, "train_list", lists[0])
    monkeypatch.setattr(kind, "test_list", lists[1])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": _md5(meta)})
    return parts


@fake("cifar10")
def _cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    return _cifar(root, monkeypatch, "CIFAR10", "labels")


@fake("cifar100")
def _cifar100(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    return _cifar(root, monkeypatch, "CIFAR100", "fine_labels")


@fake("fashion_mnist")
def _fashion_mnist(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    import torchvision

    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "classes", ["cat", "dog"])
    parts = [noise(20, 1, 28), noise(10, 1, 28)]
    base = root / "FashionMNIST" / "raw"
    base.mkdir(parents=True)
    for name, images in zip(("train", "t10k"), parts, strict=True):
        n = len(images)
        header = struct.pack(">IIII", 0x803, n, 28, 28)
        (base / f"{name}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        header = struct.pack(">II", 0x801, n)
        (base / f"{name}-labels-idx1-ubyte").write_bytes(header + bytes(i % 2 for i in range(n)))
    return parts


@fake("svhn")
def _svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    import torchvision
    from scipy.io import savemat

    kind = torchvision.datasets.SVHN
    root.mkdir(parents=True, exist_ok=True)
    parts = [noise(20, 3, 32), noise(10, 3, 32)]
    sums = dict(kind.split_list)
    for name, images in zip(("train", "test"), parts, strict=True):
        path = root / f"{name}_32x32.mat"
        labels = np.array([[index % 10 or 10] for index in range(len(images))])  # 10 is zero
        savemat(path, {"X": images.transpose(1, 2, 3, 0), "y": labels})
        sums[name] = [sums[name][0], path.name, _md5(path)]
    monkeypatch.setattr(kind, "split_list", sums)
    return parts


@pytest.mark.parametrize("source", sorted(image_sources.TORCHVISION))
def test_torchvision_sets_are_read_from_their_files(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = FAKES[source](tmp_path, monkeypatch)
    splits = load_splits(Data(source=source, root=str(tmp_path), download=False))
    assert np.array_equal(splits.test_images, test)
    classes = 10 if source == "svhn" else 2
    assert splits.test_labels.tolist() == [index % classes for index in range(10)]
    assert splits.classes == (tuple("0123456789") if source == "svhn" else ("cat", "dog"))
    held = set(keys(splits.validation_images))
    assert len(held) == 2 and held | set(keys(splits.train_images)) == set(keys(train))


@pytest.mark.parametrize("source", ["cifar10", "cifar100", "svhn"])
def test_a_damaged_torchvision_file_is_refused(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FAKES[source](tmp_path, monkeypatch)
    damaged = max(tmp_path.rglob("*train*"))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    refused(Data(source=source, root=str(tmp_path), download=False), "missing or damaged")


@pytest.mark.parametrize("source", sorted(image_sources.TORCHVISION))
def test_a_missing_torchvision_set_names_the_key_that_downloads_it(
    source: str, tmp_path: Path
) -> None:
    name = image_sources.TORCHVISION[source]
    refused(
        Data(source=source, root=str(tmp_path), download=False),
        f"data.root: {name} is missing",
        str(tmp_path),
        "set data.download to true",
    )


def test_a_page_in_place_of_a_download_is_refused_by_its_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision

    served = tmp_path / "served" / "train-images-idx3-ubyte.gz"
    served.parent.mkdir()
    served.write_bytes(gzip.compress(b"<html>sign in</html>"))
    kind = torchvision.datasets.FashionMNIST
    monkeypatch.setattr(kind, "mirrors", [f"file://{served.parent}/"])
    refused(
        Data(source="fashion_mnist", root=str(tmp_path / "data"), download=True),
        "data.root: FashionMNIST is missing or damaged",
        "check network and disk",
    )


def test_nothing_heavy_is_imported_before_a_source_needs_it() -> None:
    code = "import sys, nasflow.data.datasets; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert not {b"torch", b"torchvision", b"pyarrow", b"sklearn", b"PIL"} & set(modules.split())
