"""A folder or Parquet file from anywhere becomes splits that can be looked up, and a tested
network."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import load_file

from nasflow.config.experiment import Data
from nasflow.data import inventory, pictures
from nasflow.data.datasets import load_splits
from nasflow.data.listing import listing
from nasflow.records.class_accuracy import by_class, worst
from nasflow.records.verify import check
from nasflow.stages import preparation, training
from nasflow.storage.files import read_json
from nasflow.storage.tables import read_table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))
import own_data  # noqa: E402
from test_workflow import planned, snakemake  # noqa: E402

CONFIG = """
experiment: mine
data: {source: folder, train: photos, size: 8}
base: {widths: [4, 4]}
pretrain: {epochs: 1, batch_size: 64}
search: {n_neigh: 2, particles: 50, batch_size: 64, window: 4, warmup_steps: 1, max_steps: 4}
budget: {rounds: 1}
final: {epochs: 2, batch_size: 64}
tracking: {enabled: false}
"""
SEARCH = "results/mine/nasgd/seed_0"
CIFAR10 = "NASFLOW_CIFAR10"


def prepared(out: Path, **data: Any) -> dict[str, Any]:
    """data.json of a source on disk."""
    preparation.prepare(config=json.dumps(data), out=out)
    facts: dict[str, Any] = read_json(out / "data.json")
    return facts


def refused(*words: str, **data: Any) -> None:
    with pytest.raises(ValueError) as caught:
        load_splits(Data(**data))
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def table(out: Path) -> list[dict[str, str]]:
    with open(out / "split.csv", newline="") as file:
        return list(csv.DictReader(file))


def of(tensors: Path, name: str) -> Any:
    return load_file(tensors / f"{name}.safetensors")["images"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """500 pictures of four uneven classes, and one of a fifth."""
    top = tmp_path_factory.mktemp("own") / "photos"
    own_data.write(top, kept=4)
    (top / "vögel, große & kleine").mkdir()
    Image.new("L", (30, 20), 200).save(top / "vögel, große & kleine" / "#1.png")
    return top


# --- a folder, end to end --------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The folder of a finished run, and what stdout and stderr said."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(photos, folder / "photos")
    (folder / "config.yaml").write_text(CONFIG)
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout, done.stderr


@pytest.mark.workflow
def test_a_folder_becomes_a_tested_network_and_its_evenness_is_told(
    finished: tuple[Path, str, str],
) -> None:
    folder, summary, said = finished
    for words in (
        "of 8 x 8, RGB; 5 classes",
        "uneven: from 1 ('vögel, große & kleine') to",
        "no test image of 'vögel, große & kleine'",
        "have an alpha channel, which is dropped",
    ):
        assert (summary.count(words), said.count(words)) == (1, 1), words  # said by prepare
    assert "balanced accuracy" in summary
    assert not check(folder / "results").broken


@pytest.mark.workflow
def test_recalls_are_those_of_the_images_that_split_csv_names(
    finished: tuple[Path, str, str],
) -> None:
    folder = finished[0]
    metrics = read_json(folder / SEARCH / "final/metrics.json")
    rows = read_table(folder / SEARCH / "final/predictions.parquet").to_pylist()
    tested = [row for row in table(folder / "results/mine/data") if row["split"] == "test"]
    names = [row["name"] for row in metrics["classes"]]
    assert [names[row["label"]] for row in rows] == [row["class"] for row in tested]
    assert all(Path(row["image"]).parent.name == row["class"] for row in tested)
    assert all((folder / row["image"]).exists() for row in tested)
    found = Counter(row["label"] for row in rows if row["label"] == row["predicted"])
    recall = [found[i] / row["images"] for i, row in enumerate(metrics["classes"]) if row["images"]]
    assert metrics["balanced_accuracy"] == pytest.approx(np.mean(recall), rel=1e-12)
    assert next(row for row in metrics["classes"] if not row["images"]) | {"precision": None} == {
        "name": "vögel, große & kleine", "images": 0, "recall": None, "precision": None,
    }  # fmt: skip


@pytest.mark.workflow
def test_a_new_picture_prepares_anew_and_a_folder_that_is_gone_does_not(
    finished: tuple[Path, str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    assert planned(folder) == []
    new = folder / "photos" / "one" / "new.png"
    Image.new("RGB", (9, 9)).save(new)
    assert planned(folder)[0] == "prepare"
    new.unlink()
    (folder / "photos" / "one" / ".hidden").write_text("skipped")
    assert planned(folder) == []
    shutil.rmtree(folder / "photos")
    assert planned(folder) == []


@pytest.mark.workflow
@pytest.mark.skipif(
    CIFAR10 not in os.environ, reason=f"{CIFAR10}: no folder with its Parquet files"
)
def test_a_folder_of_cifar10s_pictures_becomes_a_tested_network(tmp_path: Path) -> None:
    """JPEG files as they lie in train.parquet and test.parquet, a folder a class."""
    for part, count in (("train", 2000), ("test", 500)):
        rows = pq.read_table(Path(os.environ[CIFAR10]) / f"{part}.parquet")[:count].to_pylist()
        for number, row in enumerate(rows):
            file = tmp_path / "photos" / part / f"class {row['label']}" / f"{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(row["img"]["bytes"])
    parts = "train: photos/train, test: photos/test"
    (tmp_path / "config.yaml").write_text(CONFIG.replace("train: photos, size: 8", parts))
    done = snakemake(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = read_json(tmp_path / SEARCH / "final/metrics.json")
    assert [row["name"] for row in metrics["classes"]] == [f"class {n}" for n in range(10)]
    assert metrics["test_accuracy"] > 0.15, "better than one in ten"
    facts = read_json(tmp_path / "results/mine/data/data.json")
    assert "500 test images of 32 x 32, RGB" in next(iter(inventory.lines(facts)))


# --- Parquet as CIFAR-10's -------------------------------------------------------------------


def cifar_like(path: Path, count: int, seed: int) -> str:
    """The schema of Hugging Face's CIFAR-10: img, a struct of bytes and path, label, class names;
    JPEGs of 32 x 32 here, each class a colour."""
    rng = np.random.default_rng(seed)
    labels, contents = np.arange(count) % 3, []
    for label in labels:
        noise = rng.integers(0, 90, (32, 32, 3)).astype(np.uint8)
        noise[..., label] += 150
        stream = io.BytesIO()
        Image.fromarray(noise).save(stream, "JPEG")
        contents.append({"bytes": stream.getvalue(), "path": None})
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = pa.table({"img": pa.array(contents, kind), "label": pa.array(labels)})
    names = ["airplane", "automobile", "bird"]
    features = {"label": {"names": names, "_type": "ClassLabel"}}
    meta = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(rows.replace_schema_metadata(meta), path)
    return str(path)


def test_parquet_files_become_a_network_that_tells_their_classes_apart(tmp_path: Path) -> None:
    train, test = (
        cifar_like(tmp_path / f"{name}.parquet", count, seed)
        for seed, (name, count) in enumerate((("train", 120), ("test", 45)))
    )
    facts = prepared(tmp_path / "data", source="parquet", train=train, test=test)
    assert facts["classes"] == ["airplane", "automobile", "bird"]
    assert facts["balance"] == {"largest": 36, "smallest": 36, "ratio": 1.0, "largest_share": 1 / 3}
    assert facts["modes"] == {"RGB": 165}
    rows = table(tmp_path / "data")
    assert rows[-1] == {"image": f"{test}, row 44", "class": "bird", "split": "test"}
    given: dict[str, Any] = {"data": tmp_path / "data", "device": "cpu", "threads": 1}
    sections = {"base": {"widths": [4, 4]}, "pretrain": {"epochs": 12.0, "batch_size": 12}}
    training.pretrain(config=json.dumps(sections), seed=0, out=tmp_path / "p/network", **given)
    assert read_json(tmp_path / "p/status.json")["validation_accuracy"] == 1.0


# --- splits that are told --------------------------------------------------------------------


def test_a_saved_split_is_made_again_whatever_the_seed(photos: Path, tmp_path: Path) -> None:
    source: dict[str, Any] = {"source": "folder", "train": str(photos), "size": 8}
    facts = prepared(tmp_path / "first", **source)
    rows = table(tmp_path / "first")
    assert sorted(row["image"] for row in rows) == sorted(
        str(path) for path in photos.rglob("*.png")
    )
    path = str(tmp_path / "first/split.csv")
    again = prepared(tmp_path / "again", **source, split=path, split_seed=7, test_fraction=0.5)
    assert again == facts
    other = prepared(tmp_path / "other", **source, split_seed=7)
    assert other["files"] != facts["files"]


def test_a_split_of_ones_own_decides_image_by_image(photos: Path, tmp_path: Path) -> None:
    source: dict[str, Any] = {"source": "folder", "train": str(photos), "size": 8}
    images = sorted(photos.rglob("*.png"))
    last = {path.name: "test" for path in images if path.name.endswith("7.png")}
    lines = [f'"{path}",{last.get(path.name, "train")}' for path in images]
    lines[0] = lines[0].removesuffix("train") + "validation"
    (tmp_path / "mine.csv").write_text("\ufeffimage,split\n" + "\n".join(lines), encoding="utf-8")
    facts = prepared(tmp_path / "data", **source, split=str(tmp_path / "mine.csv"))
    assert sum(facts["counts"]["test"]) == len(last)
    assert sum(facts["counts"]["validation"]) == 1
    for name, words in {
        f"image\n{images[0]}": ["columns image; expected image and split"],
        f"image,split\n{images[0]},dev": ["line 2: split 'dev'", "train, validation, test"],
        f"image,split\n{images[0]},test\n{images[0]},train": ["line 3", "once more"],
        f"image,split\n{images[0]},test": [f"'{images[1]}' and", "not listed"],
        "\n".join(["image,split", *lines, "gone.png,test"]): ["'gone.png' is listed but not there"],
        "\n".join(["image,split", *(f'"{path}",train' for path in images)]): ["no image in valid"],
    }.items():
        (tmp_path / "mine.csv").write_text(name)
        refused("data.split", *words, **source, split=str(tmp_path / "mine.csv"))
    refused("is no file", "columns image and split", **source, split="gone.csv")


def test_a_validation_folder_is_used_whole_and_no_file_may_add_to_it(
    photos: Path, tmp_path: Path
) -> None:
    parts = {name: str(tmp_path / name) for name in ("train", "validation", "test")}
    for path in parts.values():
        shutil.copytree(photos, path)
    shutil.rmtree(tmp_path / "validation" / "zero")
    facts = prepared(tmp_path / "data", source="folder", size=8, **parts)
    per_class = [len(list(entry.iterdir())) for entry in sorted(photos.iterdir())]
    assert facts["counts"]["train"] == facts["counts"]["test"] == per_class
    assert facts["counts"]["validation"] == [*per_class[:4], 0]
    saved = str(tmp_path / "data/split.csv")
    again = prepared(tmp_path / "again", source="folder", size=8, split=saved, **parts)
    assert again["files"] == facts["files"]
    text = Path(saved).read_text().replace(",train\n", ",test\n", 1)
    (tmp_path / "wrong.csv").write_text(text)
    refused("but data.test is given", source="folder", size=8, split=str(tmp_path / "wrong.csv"),
            **parts)  # fmt: skip


def test_the_listing_sees_names_and_sizes_and_nothing_hidden(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    data = Data(source="folder", train=str(tmp_path / "photos"))
    before = listing(data)
    assert before == listing(Data(source="folder", train=str(photos)))
    (tmp_path / "photos/one/.DS_Store").write_text("x")
    assert listing(data) == before
    (tmp_path / "photos/one/new.png").write_text("x")
    one = listing(data)
    (tmp_path / "photos/one/new.png").write_text("xx")
    assert len({before, one, listing(data)}) == 3
    assert listing(Data(source="folder", train=str(tmp_path / "gone"))) is None
    assert listing(Data()) == listing(Data(size=9))


# --- what people's folders look like ---------------------------------------------------------


def test_a_folder_of_parts_says_what_to_write(photos: Path, tmp_path: Path) -> None:
    for name in ("Train", "val"):
        (tmp_path / name).mkdir()
    refused(f"train: {tmp_path}/Train, validation: {tmp_path}/val under data",
            source="folder", train=str(tmp_path))  # fmt: skip


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


def test_all_unreadable_pictures_are_told_at_once(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    broken = sorted((tmp_path / "photos" / "two").iterdir())[:7]
    for path in broken[1:]:
        path.write_bytes(path.read_bytes()[:60])
    broken[0].write_text("notes")
    refused(f"{broken[0]}: no picture", "7 pictures cannot be read", f"{broken[4]} and 2 more too",
            source="folder", train=str(tmp_path / "photos"), size=8)  # fmt: skip


def test_a_turned_photo_is_turned_and_alpha_is_dropped() -> None:
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera lay on its side
    stream = io.BytesIO()
    image.save(stream, "PNG", exif=turned)
    found = pictures.decode(["a"], [stream.getvalue()], None)
    assert found[0, :, :, 0].tolist() == [[3, 0], [4, 1], [5, 2]]
    stream = io.BytesIO()
    Image.new("RGBA", (2, 2), (1, 2, 3, 0)).save(stream, "PNG")
    images, modes = pictures.decoded(["a"], [stream.getvalue()], None)
    assert images.reshape(-1, 3).tolist() == [[1, 2, 3]] * 4
    assert modes == {"RGBA": 1}


def test_uneven_classes_are_told_and_even_ones_too() -> None:
    facts: dict[str, Any] = {"classes": ["cat", "dog"], "channels": 3, "height": 4, "width": 6}
    facts |= {"duplicates": {"validation": 0, "test": 2}, "modes": {"RGBA": 3, "LA": 1, "RGB": 9}}
    counts = {"train": [30, 10], "validation": [3, 0], "test": [6, 2]}
    told = list(inventory.lines(facts | {"counts": counts}))
    assert told == [
        "40 train, 3 validation, 8 test images of 6 x 4, RGB; 2 classes",
        "classes are uneven: from 10 ('dog') to 30 ('cat') train images; always saying 'cat' is "
        "right for 75.0% of the test images: judge by balanced accuracy",
        "no validation image of 'dog'",
        "2 test images have the pixels of a train or validation image",
        "4 pictures have an alpha channel, which is dropped",
    ]
    even = list(inventory.lines(facts | {"counts": counts | {"train": [12, 10]}}))
    assert even[1] == "classes are even: 10 to 12 train images"


def test_always_the_largest_class_is_balanced_at_one_in_so_many() -> None:
    rows = [{"label": label, "predicted": 0} for label in (0, 0, 0, 0, 0, 0, 1, 1, 2)]
    found = by_class(rows, ("a", "b", "c", "d"))
    assert found["balanced_accuracy"] == pytest.approx(1 / 3)
    assert found["classes"][0] == {"name": "a", "images": 6, "recall": 1.0, "precision": 6 / 9}
    assert [row["precision"] for row in found["classes"][1:]] == [None] * 3
    assert worst(found["classes"]) == "'b' 0.00% of 2, 'c' 0.00% of 1, 'a' 100.00% of 6"
