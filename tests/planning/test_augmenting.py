"""Which changes `nasflow init` writes, for images of every source."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from nasflow.planning.augmenting import MIRRORED, changes
from nasflow.planning.choices import Choice
from nasflow.planning.survey import KNOWN


def chosen(source: str, train: Path | None = None) -> Choice:
    return Choice("mine", source, train, None, 5.0, "nasgd", "cpu", 2)


def drawings(count: int) -> tuple[list[bytes], list[int]]:
    """PNG files whose class is the half, left or right, in which a bright patch stands."""
    rng, contents = np.random.default_rng(0), []
    for number in range(count):
        pixels = rng.integers(0, 60, (16, 16)).astype(np.uint8)
        row, column = rng.integers(3, 11), 3 + 8 * (number % 2)
        pixels[row : row + 3, column : column + 3] = 220
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        contents.append(stream.getvalue())
    return contents, [number % 2 for number in range(count)]


@pytest.mark.parametrize("source", sorted(MIRRORED))
def test_of_sources_that_would_be_downloaded_the_answer_is_known(source: str) -> None:
    found = changes(chosen(source), None, 2)
    assert (found.flip, found.shift, found.told) == (MIRRORED[source], True, None)


def test_every_built_in_source_has_an_answer() -> None:
    assert set(KNOWN) == {*MIRRORED, "digits"}


def test_digits_are_looked_at_and_not_mirrored() -> None:
    found = changes(chosen("digits"), None, 1)
    assert found.told is not None and found.told.accuracy > 0.8
    assert not found.flip
    assert found == changes(chosen("digits"), None, 1)


def test_own_pictures_are_looked_at(tmp_path: Path) -> None:
    contents, labels = drawings(300)
    for number, (content, label) in enumerate(zip(contents, labels, strict=True)):
        place = tmp_path / "photos" / "ab"[label]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(content)
    table = pa.table({"image": pa.array(contents, pa.binary()), "label": labels})
    pq.write_table(table, tmp_path / "train.parquet")
    for source, path in (("folder", "photos"), ("parquet", "train.parquet")):
        found = changes(chosen(source, tmp_path / path), None, 1)
        assert (found.flip, found.shift) == (False, True), source
        assert found.told is not None and found.told.images == 100
    assert changes(chosen("folder", tmp_path / "photos"), 8, 1).told != found.told


def test_labels_may_be_any_numbers(tmp_path: Path) -> None:
    contents, labels = drawings(300)
    found = []
    for name, numbers in (("a", labels), ("b", [7000 * label + 3 for label in labels])):
        table = pa.table({"image": pa.array(contents, pa.binary()), "label": numbers})
        pq.write_table(table, tmp_path / f"{name}.parquet")
        found.append(changes(chosen("parquet", tmp_path / f"{name}.parquet"), None, 1))
    assert found[0][:3] == found[1][:3]


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(drawings(1)[0][0])
    (tmp_path / "b" / "2.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"2\.png: no picture"):
        changes(chosen("folder", tmp_path), 8, 1)
