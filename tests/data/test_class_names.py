"""One class has one name, in whatever Unicode form it is written, and the name can be written."""

from __future__ import annotations

import csv
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from image_files import noise, parquet, png, prepared_data, refused_data, save_png, split_table

from nasflow.charts.charts import png as drawn
from nasflow.charts.search_charts import confusion
from nasflow.config.data import Data
from nasflow.data import class_names
from nasflow.data.datasets import load_splits

NFC, NFD = (unicodedata.normalize(form, "vögel") for form in ("NFC", "NFD"))
ODD = [
    *("a b", 'it\'s "x"', "-dash", "new\nline", "emoji 😀", "k=v", "a,b;c", "L" * 250, "\r"),
    *("<b>&amp;", "\x1b[31mred", "#h", "'", "=1+1", NFD, "%s{0}", "\u202eabc"),
]


def folders(top: Path, *names: str, each: int = 10) -> str:
    for name in names:
        for i, image in enumerate(noise(each)):
            save_png(top / name / f"{i}.png", image)
    return str(top)


def test_a_class_in_two_unicode_forms_is_one_class(tmp_path: Path) -> None:
    train = folders(tmp_path / "train", NFC, "owl")
    test = folders(tmp_path / "test", NFD, "owl")
    splits = load_splits(Data(source="folder", train=train, test=test))
    assert splits.classes == ("owl", NFC)
    assert splits.test_labels.tolist() == [0] * 10 + [1] * 10


def test_parquet_names_in_two_forms_are_one_class(tmp_path: Path) -> None:
    contents = [png(image) for image in noise(20)]
    train = parquet(tmp_path / "a/0.parquet", contents, [0, 1] * 10, names=[NFD, "owl"])
    parquet(tmp_path / "a/1.parquet", contents, [0, 1] * 10, names=[NFC, "owl"])
    test = parquet(tmp_path / "b.parquet", contents, [0, 1] * 10, names=["owl", NFC])
    data = Data(source="parquet", train=str(tmp_path / "a/*"), test=test)
    assert load_splits(data).test_labels.tolist() == [1, 0] * 10
    assert load_splits(Data(source="parquet", train=train, test=test)).classes == (NFD, "owl")


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    train = folders(tmp_path / "train", NFC, NFD, each=3)
    refused_data("data.train", "one name in two Unicode forms", source="folder", train=train)


def test_a_split_file_may_have_the_other_form(tmp_path: Path) -> None:
    train = folders(tmp_path / "train", NFC, "owl")
    facts = prepared_data(tmp_path / "out", source="folder", train=train)
    text = (tmp_path / "out/split.csv").read_text()
    other = tmp_path / "split.csv"
    other.write_text(unicodedata.normalize("NFD", text))
    again = prepared_data(tmp_path / "again", source="folder", train=train, split=str(other))
    assert again["files"] == facts["files"]


@pytest.mark.skipif(os.name != "posix", reason="needs names that are bytes")
def test_a_folder_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    train = folders(tmp_path / "train", "owl")
    latin = tmp_path / "train" / os.fsdecode(b"v\xf6gel")
    shutil.copytree(tmp_path / "train/owl", latin)
    refused_data("data.train", r"'v\udcf6gel'", "UTF-8", "rename", source="folder", train=train)
    (tmp_path / "train/owl/0.png").rename(tmp_path / "train/owl" / os.fsdecode(b"\xf6.png"))
    latin.rename(tmp_path / "train/crow")
    prepared_data(tmp_path / "out", source="folder", train=train)
    assert any(row["image"].endswith(r"\udcf6.png") for row in split_table(tmp_path / "out"))


def test_any_name_of_a_folder_survives_split_csv(tmp_path: Path) -> None:
    train = folders(tmp_path / "train", *ODD)
    facts = prepared_data(tmp_path / "out", source="folder", train=train)
    assert sorted(facts["classes"]) == sorted(ODD)
    rows = split_table(tmp_path / "out")
    assert {row["class"] for row in rows} == set(ODD) and len(rows) == 10 * len(ODD)
    told = str(tmp_path / "out/split.csv")
    again = prepared_data(tmp_path / "again", source="folder", train=train, split=told)
    assert again["files"] == facts["files"]


def test_a_name_in_a_chart_has_no_control_characters() -> None:
    numbers = np.arange(len(ODD)).tolist()
    assert drawn(confusion(numbers, numbers, ODD), 1.0).startswith(b"\x89PNG")


def test_a_line_without_an_image_is_refused(tmp_path: Path) -> None:
    train = folders(tmp_path / "train", "crow", "owl")
    with open(tmp_path / "split.csv", "w", newline="") as file:
        csv.writer(file).writerows([("split", "image"), ("train",)])
    told = str(tmp_path / "split.csv")
    refused_data("line 2: no image", source="folder", train=train, split=told)


def test_names_that_are_no_text_or_twice_are_refused() -> None:
    for names in (["a", ""], ["a", "\ud800"], ["crane", "crane"]):
        with pytest.raises(ValueError, match=r"data\.train: "):
            class_names.check(names, "data.train")
