"""Prepared data on disk: {train,validation,test}.safetensors and data.json with their sha256."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from safetensors.torch import load

from nasflow.storage.files import CorruptFile, read_json, verified, write, write_json
from nasflow.training.batches import Split

SPLITS = ("train", "validation", "test")


def write_splits(
    folder: Path,
    arrays: Mapping[str, tuple[np.ndarray, np.ndarray]],
    facts: Mapping[str, Any],
    beside: Mapping[str, bytes] | None = None,
) -> None:
    """arrays: split name -> images uint8 (n, H, W, C), labels int64 (n,); beside: other files."""
    files = {name: write(folder / name, content) for name, content in (beside or {}).items()}
    for name, (images, labels) in arrays.items():
        content = save({"images": np.ascontiguousarray(images), "labels": labels.astype(np.int64)})
        files[f"{name}.safetensors"] = write(folder / f"{name}.safetensors", content)
    write_json(folder / "data.json", {"schema": 1, **facts, "files": files})


def read_facts(folder: Path) -> dict[str, Any]:
    """data.json."""
    return dict(read_json(folder / "data.json"))


def sizes(folder: Path) -> dict[str, int]:
    """Split -> its images: from data.json, or from the files where an older one does not say."""
    counts = read_facts(folder).get("counts")
    if counts is not None:
        return {name: sum(counts[name]) for name in SPLITS}
    found = {}
    for name in SPLITS:
        try:
            with safe_open(folder / f"{name}.safetensors", "np") as file:
                found[name] = int(file.get_slice("labels").get_shape()[0])
        except (OSError, SafetensorError) as error:
            raise CorruptFile(f"{folder / name}.safetensors: {error}; rerun prepare") from error
    return found


def read_split(folder: Path, name: str, device: str) -> Split:
    """One split, verified (sha256, shapes, types, labels), on the device."""
    facts = read_facts(folder)
    file = f"{name}.safetensors"
    try:
        tensors = load(verified(folder / file, facts["files"][file]))
        images, labels = tensors["images"], tensors["labels"]
        mean, std = (torch.tensor(facts[key], dtype=torch.float32) for key in ("mean", "std"))
        shape, classes = _image(facts), len(facts["classes"])
    except (LookupError, TypeError, ValueError, SafetensorError) as error:
        raise CorruptFile(f"{folder / file}: not a split ({error!r}); rerun prepare") from error
    fits = images.dtype == torch.uint8 and images.shape == (len(labels), *shape)
    counted = labels.dtype == torch.int64 and len(labels) > 0
    if not fits or not counted or not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise CorruptFile(
            f"{folder / file}: images {tuple(images.shape)} {images.dtype}, labels {labels.dtype}; "
            f"data.json has images {shape} of {classes} classes; rerun prepare"
        )
    return Split(images, labels, mean, std).to(device)


def _image(facts: Mapping[str, Any]) -> tuple[int, int, int]:
    return facts["height"], facts["width"], facts["channels"]
