"""Data sets of torchvision and sources on disk are read, or refused in one line."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import class_folders, keys, noise, parquet, png, refused

from nasflow.config.data import Data
from nasflow.data import image_sources
from nasflow.data.datasets import describe, load_splits


def test_test_labels_are_matched_by_class_name(tmp_path: Path) -> None:
    contents = [png(image) for image in noise(10)]
    train = parquet(tmp_path / "a.parquet", contents, [0, 1] * 5, names=["cat", "dog"])
    test = parquet(tmp_path / "b.parquet", contents[:3], [0, 1, 1], names=["dog", "cat"])
    splits = load_splits(Data(source="parquet", train=train, test=test))
    assert splits.test_labels.tolist() == [1, 0, 0]


def test_a_test_folder_may_lack_a_class(tmp_path: Path) -> None:
    train = class_folders(tmp_path / "train", noise(12), np.arange(12) % 3)
    test = class_folders(tmp_path / "test", noise(2), np.array([2, 2]))
    splits = load_splits(Data(source="folder", train=train, test=test))
    assert splits.test_labels.tolist() == [2, 2]
    assert describe(splits)["counts"]["test"] == [0, 0, 2]


GOOD = [png(image) for image in noise(6)]


def test_test_classes_unknown_in_train_are_refused(tmp_path: Path) -> None:
    train = parquet(tmp_path / "a.parquet", GOOD, [0, 1] * 3)
    test = parquet(tmp_path / "b.parquet", GOOD, [0, 1, 5] * 2)
    refused(
        Data(source="parquet", train=train, test=test), "b.parquet, row 2", "label 5", "2 classes"
    )
    train = class_folders(tmp_path / "train", noise(6), np.arange(6) % 2)
    test = class_folders(tmp_path / "test", noise(6), np.arange(6) % 3)
    refused(Data(source="folder", train=train, test=test), "data.test", "'class_2' is not in")


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


def test_the_files_of_an_old_torchvision_are_refused_before_they_are_read(tmp_path: Path) -> None:
    old = tmp_path / "FashionMNIST/processed"
    old.mkdir(parents=True)
    (old / "training.pt").write_bytes(b"no checksum")
    with pytest.raises(ValueError, match=r"data\.root: .*training\.pt.* old torchvision"):
        image_sources.from_torchvision("fashion_mnist", tmp_path, download=False)
