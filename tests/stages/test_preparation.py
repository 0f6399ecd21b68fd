"""Prepared Parquet files become a network that tells their classes apart."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from image_files import prepared_data, split_table
from PIL import Image

from nasflow.stages import training
from nasflow.storage.files import read_json


def cifar_like(path: Path, count: int, seed: int) -> str:
    """Write a Parquet file with the schema of Hugging Face's CIFAR-10.

    It has the column img, a struct of bytes and path, the column label, and the names of the
    classes. The pictures are JPEGs of 32 x 32, and each class has a colour.
    """
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
    facts = prepared_data(tmp_path / "data", source="parquet", train=train, test=test)
    assert facts["classes"] == ["airplane", "automobile", "bird"]
    assert facts["balance"] == {"largest": 36, "smallest": 36, "ratio": 1.0, "largest_share": 1 / 3}
    assert facts["modes"] == {"RGB": 165}
    rows = split_table(tmp_path / "data")
    assert rows[-1] == {"image": f"{test}, row 44", "class": "bird", "split": "test"}
    given: dict[str, Any] = {"data": tmp_path / "data", "device": "cpu", "threads": 1}
    sections = {"base": {"widths": [4, 4]}, "pretrain": {"epochs": 12.0, "batch_size": 12}}
    given |= {"algorithm": "nasgd", "seed": 0, "out": tmp_path / "p/network"}
    training.pretrain(config=json.dumps(sections), **given)
    assert read_json(tmp_path / "p/status.json")["validation_accuracy"] == 1.0
