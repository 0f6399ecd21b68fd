"""Prepared data on disk: {train,validation,test}.safetensors and data.json with their sha256."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import save
from safetensors.torch import load

from nasflow.batches import Split
from nasflow.files import CorruptFile, read_json, verified, write, write_json

FACTS = {"classes", "channels", "height", "width", "mean", "std", "files"}


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
    """data.json, once it says what it should."""
    file = folder / "data.json"
    facts = read_json(file)
    if not isinstance(facts, dict) or facts.get("schema") != 1 or not facts.keys() >= FACTS:
        raise CorruptFile(f"{file}: not what this nasflow's prepare writes; run prepare again")
    return facts


def read_split(folder: Path, name: str, device: str) -> Split:
    """One split, verified, on the device."""
    facts = read_facts(folder)
    path = folder / f"{name}.safetensors"
    content = verified(path, str(facts["files"].get(path.name)))
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise CorruptFile(f"{path}: not readable ({error}); run prepare again") from error
    problem = _problem(tensors, facts)
    if problem:
        raise CorruptFile(f"{path}: {problem}; run prepare again")
    mean, std = (torch.tensor(facts[key], dtype=torch.float32) for key in ("mean", "std"))
    return Split(tensors["images"], tensors["labels"], mean, std).to(device)


def _problem(tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> str | None:
    """What keeps the tensors from being uint8 images and one label of a known class for each."""
    if tensors.keys() != {"images", "labels"}:
        return f"tensors {', '.join(sorted(tensors))}; expected images, labels"
    images, labels = tensors["images"], tensors["labels"]
    size = tuple(facts[key] for key in ("height", "width", "channels"))
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1:] != size:
        found = f"{images.dtype} {tuple(images.shape)}"
        return f"images {found}; expected uint8 (n, height, width, channels), {size} each"
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1] or not len(labels):
        found = f"{labels.dtype} {tuple(labels.shape)}"
        return f"labels {found}; expected one int64 for each of {len(images)} images, 1 or more"
    low, high, count = int(labels.min()), int(labels.max()), len(facts["classes"])
    if low < 0 or high >= count:
        return f"labels {low} to {high}; expected 0 to {count - 1}"
    return None
