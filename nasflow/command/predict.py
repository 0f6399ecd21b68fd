"""The command `nasflow predict`: print the labels and probabilities that a network gives to images.

Images are treated as in the training: decoded and resized by nasflow.data.pictures, and normalised
with the mean and std of the training images. Each is given to the network once, not mirrored.
"""

from __future__ import annotations

import csv
import json as texts
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nasflow.command.terminal import Cell, percent, say, styled, table
from nasflow.data import pictures
from nasflow.data.image_facts import facts_of, stem_of
from nasflow.network.deployable import Deployable
from nasflow.printable import printable, shown
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import consistent

BATCH = 250  # images per forward pass
Probabilities = npt.NDArray[np.float32]


def predict(
    *,
    network: Path,
    images: Sequence[Path],
    top: int = 1,
    csv: bool = False,
    json: bool = False,
    data: Path | None = None,
) -> None:
    """Print one line per image, the most likely class first.

    Args:
        network: a checkpoint's stem, one of its files, or the folder of its stage.
        images: image files, or folders of them.
        top: number of classes to print per image.
        csv: whether to print a table of all probabilities.
        json: whether to print JSON.
        data: data.json of the training, where it is not found.

    Raises:
        ValueError: if an image cannot be read or does not fit the network.
    """
    stem = stem_of(network)
    with consistent(stem):
        facts = facts_of(stem, data)
        module = Deployable(read_checkpoint(stem).network, facts)
    classes: list[str] = facts["classes"]
    if not 1 <= top <= len(classes):
        raise ValueError(f"--top: {top}; expected 1 to {len(classes)}, the classes there are")
    if csv and json:
        raise ValueError("--csv, --json: both given; give one of them")
    files = list(picture_files(images))
    found = probabilities(module, files)
    if csv:
        _csv(files, classes, found)
    elif json:
        print(texts.dumps([_record(f, classes, p) for f, p in zip(files, found, strict=True)]))
    else:
        say([_table(files, classes, found, top)])


def picture_files(places: Sequence[Path]) -> Iterator[Path]:
    """List the files: each file as given, and all files below a folder.

    The files of a folder are sorted by name; hidden files are left out.

    Raises:
        ValueError: if a place does not exist or is empty.
    """
    for place in places:
        if not place.exists():
            raise ValueError(f"{shown(str(place))}: no such file or folder; expected pictures")
        if not place.is_dir():
            yield place
            continue
        inside = sorted(p for p in place.rglob("*") if p.is_file() and not _hidden(p, place))
        if not inside:
            raise ValueError(f"{shown(str(place))}: an empty folder; expected pictures")
        yield from inside


def probabilities(module: Deployable, files: Sequence[Path]) -> Probabilities:
    """Compute the probabilities of all classes.

    Args:
        module: the network with its normalisation.
        files: the image files.

    Returns:
        An array (n, classes), in the order of the files.
    """
    channels = module.architecture.image.width
    if channels not in (1, 3):
        raise ValueError(f"the network takes {channels} channels; pictures have 1 or 3")
    torch.set_num_threads(1)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(files), BATCH):
            batch = read_pictures(files[start : start + BATCH], module)
            parts.append(module(torch.from_numpy(batch).permute(0, 3, 1, 2)).numpy())
    return np.concatenate(parts)


def read_pictures(files: Sequence[Path], module: Deployable) -> pictures.Images:
    """Read images as the network takes them.

    They are resized where the network takes square images. Grey images become colour images for a
    network of colour images, as in a data set that has both.

    Returns:
        An array (n, height, width, channels).

    Raises:
        ValueError: if an image does not fit the network.
    """
    channels, height, width = module.architecture.shapes[module.architecture.image.id]
    names = [printable(str(file)) for file in files]
    if height == width:
        images = pictures.decode(names, files, height)
        if (
            images.shape[3] != 1 and channels == 1
        ):  # one of them is not grey; the next lines name it
            for name, file in zip(names, files, strict=True):
                _one(name, file, module)
    else:
        images = np.concatenate([_one(*pair, module) for pair in zip(names, files, strict=True)])
    return np.repeat(images, channels // images.shape[3], axis=3)


def _one(name: str, file: Path, module: Deployable) -> pictures.Images:
    """Read one image, (1, height, width, channels), which must fit the network."""
    channels, height, width = module.architecture.shapes[module.architecture.image.id]
    image = pictures.decode([name], [file], height if height == width else None)
    if image.shape[1:3] != (height, width):
        raise ValueError(
            f"{name}: {image.shape[1]} x {image.shape[2]} pixels; the network takes "
            f"{height} x {width} (height x width); resize it"
        )
    if image.shape[3] > channels:
        raise ValueError(
            f"{name}: {image.shape[3]} channels; the network takes {channels}; "
            "expected a grey picture"
        )
    return np.repeat(image, channels // image.shape[3], axis=3)


def _table(files: Sequence[Path], classes: Sequence[str], found: Probabilities, top: int) -> Any:
    rows: list[list[Cell]] = []
    for file, row in zip(files, found, strict=True):
        cells: list[Cell] = [str(file)]
        for place, label in enumerate(np.argsort(-row, kind="stable")[:top]):
            style = "bold" if place == 0 else "dim"
            cells += [styled(classes[label], style), styled(percent(row[label]), style)]
        rows.append(cells)
    ranks = [f"{rank}." for rank in range(2, top + 1)]
    return table(["image", "label", " probability", *(x for r in ranks for x in (r, " "))], rows)


def _record(file: Path, classes: Sequence[str], row: Probabilities) -> dict[str, Any]:
    order = np.argsort(-row, kind="stable")
    return {
        "image": str(file),
        "label": classes[order[0]],
        "probabilities": {classes[i]: float(row[i]) for i in order},
    }


def _csv(files: Sequence[Path], classes: Sequence[str], found: Probabilities) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    names = [printable(name) for name in classes]  # no terminal takes a part of one for a command
    writer.writerow(["image", "label", *names])
    for file, row in zip(files, found, strict=True):
        chances = (f"{p:.6f}" for p in row)
        writer.writerow([printable(str(file)), names[int(row.argmax())], *chances])


def _hidden(path: Path, top: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(top).parts)
