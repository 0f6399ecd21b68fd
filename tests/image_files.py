"""Image files and splits for the tests of the data."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from nasflow.config.data import Data
from nasflow.data.datasets import Splits, load_splits
from nasflow.stages import preparation
from nasflow.storage.files import read_json

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


def save_png(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(image))


def png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(stream, "PNG")
    return stream.getvalue()


def pictures(folder: Path, sizes: dict[str, list[tuple[int, int]]], mode: str = "L") -> Path:
    """Write black pictures of these sizes (width, height) into class folders."""
    for name, extents in sizes.items():
        (folder / name).mkdir(parents=True)
        for i, extent in enumerate(extents):
            Image.new(mode, extent).save(folder / name / f"{i}.png")
    return folder


def class_folders(
    top: Path, images: np.ndarray, labels: np.ndarray, backwards: bool = False
) -> str:
    order = range(len(images))
    for index in reversed(order) if backwards else order:
        save_png(top / f"class_{labels[index]}" / f"{index:05d}.png", images[index])
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
    """Write a file as Hugging Face writes it; the layout is struct, flattened or binary."""
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
    """Check that the data are refused with one line that holds all words."""
    with pytest.raises(ValueError) as caught:
        load_splits(data)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def prepared_data(out: Path, **data: Any) -> dict[str, Any]:
    """Prepare a source on disk and return its data.json."""
    preparation.prepare(config=json.dumps(data), out=out)
    facts: dict[str, Any] = read_json(out / "data.json")
    return facts


def refused_data(*words: str, **data: Any) -> None:
    with pytest.raises(ValueError) as caught:
        load_splits(Data(**data))
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def split_table(out: Path) -> list[dict[str, str]]:
    with open(out / "split.csv", newline="") as file:
        return list(csv.DictReader(file))
