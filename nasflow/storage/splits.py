"""The prepared images on disk, in three splits: train, validation and test.

Each split is a file such as train.safetensors, with its images and labels. data.json holds the
sha256 of these files and the facts that a network must know about the images. A split is in memory
once: its tensors are views of the bytes that were read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from nasflow.storage.contents import verified
from nasflow.storage.files import CorruptFile, read_json
from nasflow.storage.split_files import write_splits as write_splits
from nasflow.storage.tensor_file import in_place
from nasflow.training.batches import Split

SPLITS = ("train", "validation", "test")


def read_facts(folder: Path) -> dict[str, Any]:
    """Read the data.json of a folder.

    Raises:
        CorruptFile: if the file is missing, damaged or of a newer schema.
    """
    return read_json(folder / "data.json")  # type: ignore[no-any-return]


def sizes(folder: Path) -> dict[str, int]:
    """Count the images of each split.

    The counts come from data.json. An older data.json has none; then they come from the shape of
    the labels in the files.

    Args:
        folder: the folder of the data.

    Returns:
        The number of images of each split, by the name of the split.

    Raises:
        CorruptFile: if data.json, or a file that is needed for counting, cannot be read.
    """
    counts = read_facts(folder).get("counts")
    if counts is not None:
        return {name: sum(counts[name]) for name in SPLITS}
    found = {}
    for name in SPLITS:
        path = folder / f"{name}.safetensors"
        if not path.is_file():  # a pipe would never end
            raise CorruptFile(f"{path}: missing; rerun prepare")
        try:
            with safe_open(path, "np") as file:
                found[name] = int(file.get_slice("labels").get_shape()[0])
        except (OSError, SafetensorError) as error:
            raise CorruptFile(f"{path}: {error}; rerun prepare") from error
    return found


def read_split(folder: Path, name: str, device: str) -> Split:
    """Read one split and check it.

    Args:
        folder: the folder of the data.
        name: the name of the split: train, validation or test.
        device: the device of the tensors, such as cpu or cuda:0.

    Returns:
        The images and labels, with the mean and standard deviation of the training images.

    Raises:
        CorruptFile: if the file has another sha256 than data.json states, if shapes or types are
            wrong, if the split is empty, or if a label is no class of data.json.
    """
    facts = read_facts(folder)
    file = f"{name}.safetensors"
    try:
        tensors = in_place(folder / file, verified(folder / file, facts["files"][file]))
        images, labels = tensors["images"], tensors["labels"]
        mean, std = (torch.tensor(facts[key], dtype=torch.float32) for key in ("mean", "std"))
        shape, classes = _image(facts), len(facts["classes"])
    except CorruptFile:
        raise
    except (LookupError, TypeError, ValueError) as error:
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
    """Return the shape of an image: height, width, channels."""
    return facts["height"], facts["width"], facts["channels"]
