"""A folder or a Parquet file from anywhere becomes a tested network."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from image_files import split_table
from PIL import Image
from pipeline import planned, snakemake

from nasflow.data import inventory
from nasflow.records.verify import check
from nasflow.storage.files import read_json
from nasflow.storage.tables import read_table

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
    tested = [row for row in split_table(folder / "results/mine/data") if row["split"] == "test"]
    names = [row["name"] for row in metrics["classes"]]
    assert tested
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
    """The JPEG files of train.parquet and test.parquet are written into one folder for each
    class."""
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
