"""Prepared data on disk: {train,validation,test}.safetensors and data.json with their sha256."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save
from safetensors.torch import load

from nasflow.batches import Split
from nasflow.files import read_json, verified, write, write_json


def write_splits(
    folder: Path, arrays: Mapping[str, tuple[np.ndarray, np.ndarray]], facts: Mapping[str, Any]
) -> None:
    """arrays: split name -> images uint8 (n, H, W, C), labels int64 (n,)."""
    files = {}
    for name, (images, labels) in arrays.items():
        content = save({"images": np.ascontiguousarray(images), "labels": labels.astype(np.int64)})
        files[f"{name}.safetensors"] = write(folder / f"{name}.safetensors", content)
    write_json(folder / "data.json", {"schema": 1, **facts, "files": files})


def read_facts(folder: Path) -> dict[str, Any]:
    """data.json."""
    return dict(read_json(folder / "data.json"))


def read_split(folder: Path, name: str, device: str) -> Split:
    """One split, verified, on the device."""
    facts = read_facts(folder)
    file = f"{name}.safetensors"
    tensors = load(verified(folder / file, facts["files"][file]))
    mean, std = (torch.tensor(facts[key], dtype=torch.float32) for key in ("mean", "std"))
    return Split(tensors["images"], tensors["labels"], mean, std).to(device)
