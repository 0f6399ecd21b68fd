"""Every Arrow type that holds pictures or labels is read, or one line says what is wrong."""

from __future__ import annotations

import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_files import digest, noise, png, refused

from nasflow.config.data import Data
from nasflow.data import encoded, parquet_file
from nasflow.data.datasets import load_splits

GOOD = [png(image) for image in noise(30)]
SAME = max(map(len, GOOD))
LABELS = [i % 3 for i in range(30)]
NAMES = [("owl", "crow", "jay")[i] for i in LABELS]


def written(path: Path, image: Any, label: Any, **options: Any) -> Data:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": image, "label": label}), path, **options)
    return Data(source="parquet", train=str(path))


@pytest.fixture
def expected(tmp_path: Path) -> str:
    data = written(tmp_path / "plain.parquet", pa.array(GOOD), pa.array(LABELS))
    return digest(load_splits(data))


def struct(kind: pa.DataType, path: pa.DataType) -> pa.Array:
    return pa.StructArray.from_arrays(
        [pa.array(GOOD, kind), pa.array(["a.png"] * 30, path)], names=["bytes", "path"]
    )


IMAGES = {
    "large": pa.array(GOOD, pa.large_binary()),
    "view": pa.array(GOOD, pa.binary_view()),
    "fixed": pa.array([one.ljust(SAME, b"\0") for one in GOOD], pa.binary(SAME)),
    "dictionary": pa.array(GOOD).dictionary_encode(),
    "large dictionary": pa.array(GOOD, pa.large_binary()).dictionary_encode(),
    "chunked": pa.chunked_array([GOOD[:7], GOOD[7:7], GOOD[7:]]),
    "chunked dictionary": pa.chunked_array(
        [pa.array(GOOD[:7]).dictionary_encode(), pa.array(GOOD[7:]).dictionary_encode()]
    ),
    "struct": struct(pa.binary(), pa.string()),
    "struct of large": struct(pa.large_binary(), pa.large_string()),
    "struct of views": struct(pa.binary_view(), pa.string_view()),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_every_type_of_bytes_is_read(kind: str, expected: str, tmp_path: Path) -> None:
    for options in ({}, {"row_group_size": 11})[: 1 if kind == "struct of views" else 2]:
        data = written(tmp_path / "a.parquet", IMAGES[kind], pa.array(LABELS), **options)
        assert digest(load_splits(data)) == expected


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("sign", ["int", "uint"])
def test_every_width_of_whole_numbers_is_a_label(
    size: int, sign: str, expected: str, tmp_path: Path
) -> None:
    labels = pa.array(np.array(LABELS, dtype=f"{sign}{8 * size}"))
    for column in (labels, labels.dictionary_encode()):
        assert digest(load_splits(written(tmp_path / "a.parquet", GOOD, column))) == expected


TEXTS = {
    "string": pa.array(NAMES),
    "large": pa.array(NAMES, pa.large_string()),
    "view": pa.array(NAMES, pa.string_view()),
    "binary": pa.array([name.encode() for name in NAMES]),
    "dictionary": pa.array(NAMES).dictionary_encode(),
    "chunked": pa.chunked_array([NAMES[:4], NAMES[4:]]),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_are_labels(kind: str, tmp_path: Path) -> None:
    splits = load_splits(written(tmp_path / "a.parquet", GOOD, TEXTS[kind]))
    assert splits.classes == ("crow", "jay", "owl")
    table = [row for rows in splits.table.values() for row in rows]
    assert all(NAMES[int(name.rsplit(" ", 1)[1])] == label for name, label in table)


def test_texts_of_parts_meet_by_name(tmp_path: Path) -> None:
    written(tmp_path / "train/0.parquet", GOOD[:10], pa.array(["owl", "crow"] * 5))
    written(tmp_path / "train/1.parquet", GOOD[:10], pa.array(["jay", "crow"] * 5))
    test = written(tmp_path / "test.parquet", GOOD[:2], pa.array(["owl", "jay"]))
    train = str(tmp_path / "train/*")
    splits = load_splits(Data(source="parquet", train=train, test=test.train))
    assert splits.classes == ("crow", "jay", "owl")
    assert splits.test_labels.tolist() == [2, 1]
    numbers = written(tmp_path / "numbers.parquet", GOOD[:2], pa.array([0, 1]))
    data = Data(source="parquet", train=train, test=numbers.train)
    refused(data, "data.test", "numbers without names", "give both as names")
    written(tmp_path / "train/2.parquet", GOOD[:10], pa.array([0, 1] * 5))
    refused(Data(source="parquet", train=train), "2.parquet", "texts", "numbers in the other")


def test_truth_values_are_two_classes(tmp_path: Path) -> None:
    column = pa.array([i % 2 == 0 for i in range(30)])
    assert load_splits(written(tmp_path / "a.parquet", GOOD, column)).classes == ("0", "1")


@pytest.mark.parametrize(
    ("image", "label", "words"),
    [
        (GOOD, [0.0, 1.0, 2.0] * 10, ["column 'label'", "double", "whole numbers or texts"]),
        (GOOD, pa.array([decimal.Decimal(i) for i in LABELS]), ["column 'label'", "decimal128"]),
        (GOOD, pa.array([2**63 + i for i in LABELS], pa.uint64()), ["label 9223372036854775808"]),
        (GOOD, pa.array([b"\xff", b"a", b"b"] * 10), ["column 'label', row 0", "UTF-8"]),
        (GOOD, ["a", None, "b"] * 10, ["column 'label', row 1", "no label"]),
        (["a.png"] * 30, LABELS, ["column 'image'", "type string", "encoded images"]),
        (pa.array(["a.png"] * 30).dictionary_encode(), LABELS, ["type dictionary<values=string"]),
        (pa.array([*GOOD[:9], None, *GOOD[10:]], pa.binary_view()), LABELS, ["row 9", "no bytes"]),
    ],
)
def test_what_is_no_picture_or_label_is_one_line(
    image: Any, label: Any, words: list[str], tmp_path: Path
) -> None:
    refused(written(tmp_path / "a.parquet", image, label), *words)


def test_a_column_that_is_there_twice_is_one_line(tmp_path: Path) -> None:
    images, labels = pa.array(GOOD), pa.array(LABELS)
    for names in (["image", "label", "label"], ["image", "image", "label"]):
        columns = [images if name == "image" else labels for name in names]
        pq.write_table(pa.Table.from_arrays(columns, names), tmp_path / "a.parquet")
        data = Data(source="parquet", train=str(tmp_path / "a.parquet"))
        refused(data, "a.parquet: column '", "is there 2 times", "rename or remove")


def test_two_classes_of_one_name_are_one_line(tmp_path: Path) -> None:
    names = '{"info": {"features": {"label": {"names": ["crane", "jay", "crane"]}}}}'
    table = pa.table({"image": GOOD, "label": LABELS})
    pq.write_table(table.replace_schema_metadata({"huggingface": names}), tmp_path / "a.parquet")
    data = Data(source="parquet", train=str(tmp_path / "a.parquet"))
    refused(data, "data.train", "two classes are called 'crane'", "rename")


def test_pictures_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "BYTES", 2000)
    for part in range(2):
        written(tmp_path / f"{part}.parquet", GOOD[15 * part : 15 * part + 15], LABELS[:15])
    contents = encoded.parquet(str(tmp_path / "*.parquet"), "data.train").contents
    assert list(contents) == GOOD and len(contents) == 30
    for rows in ([0, 0, 5, 14, 15, 29], [29, 3, 20, -1]):
        assert [contents[row] for row in rows] == [GOOD[row] for row in rows]
    assert contents[13:17] == GOOD[13:17]
    with pytest.raises(IndexError):
        contents[30]
