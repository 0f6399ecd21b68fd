"""The splits on disk are written from the arrays as they are, without a copy in memory.

A .safetensors file has 8 bytes with the length of a header, the header in JSON, and the bytes of
each tensor. It is bit for bit what the library safetensors writes, which would hold the whole
content in memory once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nasflow.storage.files import write, write_json

TYPES = {"int64": "I64", "uint8": "U8", "float32": "F32", "float64": "F64"}  # numpy: safetensors
ALIGNED = 8  # the length of a header is a multiple of it


def write_splits(
    folder: Path,
    arrays: Mapping[str, tuple[np.ndarray, np.ndarray]],
    facts: Mapping[str, Any],
    beside: Mapping[str, bytes] | None = None,
) -> None:
    """Write the splits, and data.json last.

    Args:
        folder: the folder of the data; it is made where it is missing.
        arrays: maps the name of each split to its images, uint8 (n, height, width, channels), and
            labels, int64 (n,).
        facts: what data.json says besides its schema and the digests; plain data.
        beside: maps the names of other files for the folder to their content.
    """
    files = {name: write(folder / name, content) for name, content in (beside or {}).items()}
    for name, (images, labels) in arrays.items():
        path = folder / f"{name}.safetensors"
        files[path.name] = write(path, *_parts(images, labels.astype(np.int64)))
    write_json(folder / "data.json", {"schema": 1, **facts, "files": files})


def _parts(images: np.ndarray, labels: np.ndarray) -> Iterator[bytes | memoryview]:
    """Yield the content of a .safetensors file: the header, and the bytes of both tensors.

    The library puts tensors of larger numbers first.
    """
    tensors, header, start = {"labels": labels, "images": np.ascontiguousarray(images)}, {}, 0
    for name, tensor in tensors.items():
        end = start + tensor.nbytes
        header[name] = {
            "dtype": TYPES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    yield len(text).to_bytes(8, "little")
    yield text
    for tensor in tensors.values():
        yield tensor.reshape(-1).view(np.uint8).data
