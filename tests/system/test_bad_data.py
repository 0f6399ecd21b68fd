"""Bad data sets, cases 66 to 70 of the list: each is refused in one line."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_input import (
    HOSTILE,
    Case,
    Exploit,
    Make,
    answer,
    images,
    one_line,
    parameter,
    photos_of,
    png,
    pretrain,
    reads,
    shards,
)
from PIL import ImageFile

from nasflow.__main__ import main
from nasflow.data import parquet_file, pictures
from nasflow.storage.splits import write_splits


def pictured(name: str, content: bytes) -> Make:
    """Write two classes of sound pictures, and one more file in the first class."""
    return lambda folder: photos_of(folder, {"a": 4, "b": 4}, {f"a/{name}": content})


def split(images: np.ndarray, labels: np.ndarray) -> Make:
    """Write prepared data by hand, with checksums that agree."""

    def make(folder: Path) -> list[str]:
        facts = json.loads((folder / "data/data.json").read_text())
        parts = dict.fromkeys(("train", "validation", "test"), (images, labels))
        write_splits(folder / "data", parts, facts)
        return list(pretrain({"batch_size": 2})(folder))  # type: ignore[arg-type]

    return make


def huge(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes whose header promises so many pixels."""
    content = bytearray(png(np.zeros((1, 1), dtype=np.uint8)))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def _flipped(folder: Path) -> list[str]:
    file = folder / "data/train.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x07")
    return list(pretrain({})(folder))  # type: ignore[arg-type]


def _archive(member: str) -> Make:
    """Write CIFAR-10 as an archive with the right checksum whose member lies outside its
    folder."""

    def make(folder: Path) -> Callable[[], object]:
        import torchvision

        kind, root = torchvision.datasets.CIFAR10, folder / "root"
        root.mkdir()
        with tarfile.open(root / kind.filename, "w:gz") as tar:
            info = tarfile.TarInfo(member.format(folder=folder))
            info.size = 5
            tar.addfile(info, io.BytesIO(b"PWNED"))
        digest = hashlib.md5((root / kind.filename).read_bytes()).hexdigest()

        def call() -> int:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(kind, "tgz_md5", digest)
                return main(reads(folder, source="cifar10", root=str(root), download=True))

        return call

    return make


def _repeated(folder: Path) -> Callable[[], object]:
    """Write one picture into a dictionary, and 50,000 rows that name it."""
    picture = pa.array([images(1)[0] + bytes(2000)])
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(50_000, np.int32)), picture)
    table = pa.table({"image": column, "label": np.arange(50_000) % 2})
    pq.write_table(table, folder / "a.parquet", store_schema=False)

    def call() -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parquet_file, "UNPACKED", 10_000_000)
            return main(reads(folder, source="parquet", train=str(folder / "a.parquet")))

    return call


def _special(folder: Path) -> list[str]:
    """Write a pipe in place of a picture: reading it would never end."""
    options = photos_of(folder, {"a": 4, "b": 4})
    os.mkfifo(folder / "photos/a/pipe.png")
    return options


UINT8 = np.zeros((6, 8, 8, 1), dtype=np.uint8)


LABELS = np.arange(6) % 3


NO_ARRAYS = "pictures are encoded files, which say their shape and have 8 bits a channel"


NO_NPY = "x.npy: no picture; expected one of PNG"


DATA = [
    Case(66, "wrong sha256", _flipped, ["train.safetensors: sha256"], 3),
    Case(66, "page for a picture", pictured("x.png", b"<!doctype html>"), ["x.png", "HTML"]),
    Case(66, "archive with ../", _archive("../evil"), ["data.root: CIFAR10", "outside the dest"]),
    Case(66, "archive with /", _archive("{folder}/evil"), ["data.root: CIFAR10"]),
    Case(67, "HWC for CHW in pictures", NO_ARRAYS),
    Case(
        67,
        "CHW for HWC in prepared data",
        split(UINT8.transpose(0, 3, 1, 2), LABELS),
        ["train.safetensors: images", "(6, 1, 8, 8)", "(8, 8, 1)"],
        3,
    ),
    Case(68, "16 bits", pictured("x.png", png(np.full((8, 8), 40000, np.uint16))), ["8 bits"]),
    Case(
        68,
        "floats in prepared data",
        split(UINT8 / 255, LABELS),
        ["train.safetensors", "float64"],
        3,
    ),
    Case(68, "NaN pixel", NO_ARRAYS),
    Case(68, "constant images", "are normalised by a deviation of at least 0.001 and trained on"),
    Case(69, "label -1", shards([0, 1, -1, 0, 1, 0]), ["row 2: label -1; expected 0 or more"]),
    Case(69, "label -100", shards([0, 1, -100, 0, 1, 0]), ["row 2: label -100"]),
    Case(69, "label C", split(UINT8, LABELS + 1), ["train.safetensors"], 3),
    Case(69, "float labels", shards([0.0, 1.0] * 3), ["type double; expected whole numbers"]),
    Case(69, "one-hot labels", shards([[0, 1]] * 6), ["column 'label'", "expected whole numbers"]),
    Case(
        69, "fewer labels than images", split(UINT8, LABELS[1:]), ["train.safetensors", "labels"], 3
    ),
    Case(70, "no image", shards(pa.array([], pa.int64())), ["no images; expected some"]),
    Case(70, "one image", shards([0]), ["1 class; expected 2 or more"]),
    Case(70, "one image a class", shards([0, 1]), ["data.test_fraction: 0.2 of 2 images is none"]),
    Case(70, "a class is absent", shards([0, 2] * 3), ["no train image of class 1"]),
    Case(70, "duplicates between splits", "data.json counts them, nothing is refused"),
    Case(70, "objects in .npy", pictured("x.npy", pickle.dumps(Exploit())), [NO_NPY]),
    Case(70, "bomb", pictured("x.png", huge(60000, 60000)), ["x.png: too large", "60000"]),
    Case(70, "pixels", pictured("x.png", huge(20000, 15000)), ["x.png: too large (20000 x 15000"]),
    Case(70, "warned of", pictured("x.png", huge(15000, 14000)), ["too large (15000 x 14000"]),
    Case(70, "side", pictured("x.png", huge(1025, 8)), ["too large", "data.size resizes"]),
    Case(70, "picture in many rows", _repeated, ["a.parquet: more than", "split it"]),
    Case(70, "pipe for a picture", _special, ["pipe.png: no regular file"]),
]


@pytest.mark.parametrize("case", map(parameter, DATA))
def test_a_bad_data_set_is_refused_in_one_line(case: Case, folder: Path, capfd: Any) -> None:
    one_line(case, folder, capfd)


def test_the_list_of_bad_data_sets_is_complete() -> None:
    assert sorted({case.number for case in DATA}) == list(range(66, 71))


def test_hostile_folders_and_files_run_nothing(folder: Path, capfd: Any) -> None:
    names = [value.replace("/", "_") for value in HOSTILE]
    for name in names:
        for index, picture in enumerate(images(4)):
            file = folder / "photos" / name / f"{index}{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(picture)
    options = reads(folder, source="folder", train=str(folder / "photos"))
    assert main(options) == 0
    assert json.loads((folder / "new/data.json").read_text())["classes"] == sorted(names)
    assert {path.name for path in (folder / "new").iterdir()} == {
        *(f"{part}.safetensors" for part in ("train", "validation", "test")),
        "data.json",
        "made.json",
        "split.csv",
    }
    shutil.rmtree(folder / "new")
    for name in names:
        (folder / "photos" / name / f"x{name}").write_text("no picture")
        code, lines = answer(options, capfd)
        assert (code, len(lines)) == (2, 1)
        assert "no picture" in lines[0] and lines[0].isprintable()
        (folder / "photos" / name / f"x{name}").unlink()
    assert not list(folder.rglob("PWNED")) + list(folder.rglob("new"))


def test_a_large_picture_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("decoded"))
    for size in (None, 32):
        with pytest.raises(ValueError, match=r"a: too large \(20000 x 15000 pixels\)"):
            pictures.decode(["a"], [huge(20000, 15000)], size)
