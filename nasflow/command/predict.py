"""The command `nasflow predict`: print the labels and probabilities that a network gives to images.

Images are treated as in the training: decoded and resized by nasflow.data.pictures, and normalised
with the mean and std of the training images. Each is given to the network once, and with --mirror
its mirror image, too.

A picture that cannot be read does not cost the others: it is named in one line on stderr, and the
others are predicted.
"""

from __future__ import annotations

import csv
import json as texts
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from nasflow.command.mirrored import Classifier, Mirrored
from nasflow.command.onnx_network import OnnxNetwork, is_onnx
from nasflow.command.terminal import Cell, percent, say, styled, table
from nasflow.data import pictures, walk
from nasflow.data.image_facts import facts_of, stem_of
from nasflow.data.walk import Candidate
from nasflow.deployment.deployable import Deployable
from nasflow.printable import printable, shown
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import consistent
from nasflow.storage.folders import Kind, entry

BATCH = 250  # images per forward pass
Probabilities = npt.NDArray[np.float32]


class Predicted(NamedTuple):
    """What became of the candidates.

    Attributes:
        files: the pictures that were predicted, in the order of the candidates.
        found: the probabilities of all classes for each of them, (n, classes).
        problems: one line for each candidate that was not, in their order.
        lost: whether a picture is among the latter.
    """

    files: list[Path]
    found: Probabilities
    problems: list[str]
    lost: bool


def predict(
    *,
    network: Path,
    images: Sequence[Path],
    top: int = 1,
    csv: bool = False,
    json: bool = False,
    data: Path | None = None,
    mirror: bool = False,
) -> int:
    """Print one line per image, the most likely class first.

    Args:
        network: a checkpoint's stem, one of its files, or the folder of its stage; or a file that
            `nasflow export --to onnx` wrote.
        images: image files, or folders of them.
        top: number of classes to print per image.
        csv: whether to print a table of all probabilities.
        json: whether to print JSON.
        data: data.json of the training, where it is not found.
        mirror: whether the network also sees the mirror image of each image.

    Returns:
        The exit code: 0 when all images were predicted, 1 when some could not be read or do not
        fit the network, 2 when this holds for all of them.

    Raises:
        ValueError: if an argument is wrong, or there are no images.
    """
    module, classes = _opened(network, data)
    if not 1 <= top <= len(classes):
        raise ValueError(f"--top: {top}; expected 1 to {len(classes)}, the classes there are")
    if csv and json:
        raise ValueError("--csv, --json: both given; give one of them")
    files, found, problems, lost = predicted(
        Mirrored(module) if mirror else module, list(candidates(images))
    )
    for problem in problems:
        print(f"nasflow: {problem}", file=sys.stderr)
    if not files:
        if problems:
            return 2
        raise ValueError(f"{shown(str(images[0]))}: no picture there; expected pictures")
    if csv:
        _csv(files, classes, found)
    elif json:
        print(texts.dumps([_record(f, classes, p) for f, p in zip(files, found, strict=True)]))
    else:
        say([_table(files, classes, found, top)])
    return 1 if lost else 0


def _opened(network: Path, data: Path | None) -> tuple[Classifier, list[str]]:
    """Read a checkpoint or an exported file, and the names of its classes."""
    if is_onnx(network):
        if data is not None:
            raise ValueError("--data: an exported file holds these facts itself; leave it out")
        exported = OnnxNetwork(network)
        return exported, exported.facts["classes"]
    stem = stem_of(network)
    with consistent(stem):
        facts = facts_of(stem, data)
        return Deployable(read_checkpoint(stem).network, facts), facts["classes"]


def candidates(places: Sequence[Path]) -> Iterator[Candidate]:
    """List the files: each file as given, and all files below a folder, sorted by name.

    The module `nasflow.data.walk` says which files of a folder count. A file or folder that is
    given by name is read even if it is hidden.
    """
    for place in places:
        kind = entry(place).kind
        if walk.litter(place):  # a pattern of the shell, such as pictures/*, names it too
            continue
        if not os.path.lexists(place):
            problem = "no such file or folder; expected pictures"
            yield Candidate(place, f"{shown(str(place))}: {problem}")
        elif kind in (Kind.FOLDER, Kind.UP):
            inside = walk.pictures_below(place)
            yield from inside
            if not inside:
                problem = "a folder without pictures; expected pictures"
                yield Candidate(place, f"{shown(str(place))}: {problem}")
        elif kind is Kind.FILE:
            yield Candidate(place)
        else:
            yield Candidate(place, f"{printable(str(place))}: {walk.PROBLEMS[kind]}")


def predicted(module: Classifier, given: Sequence[Candidate]) -> Predicted:
    """Compute the probabilities of all classes for each picture that can be read.

    Args:
        module: the network with its normalisation, or an exported one.
        given: the candidates.

    Returns:
        The pictures, their probabilities, and what is wrong with the other candidates.

    Raises:
        ValueError: if the network takes no pictures.
    """
    channels = module.shape[0]
    if channels not in (1, 3):
        raise ValueError(f"the network takes {channels} channels; pictures have 1 or 3")
    torch.set_num_threads(1)
    files, parts, problems, lost = [], [], [], False
    for start in range(0, len(given), BATCH):
        batch = given[start : start + BATCH]
        arrays = []
        for one, read in zip(batch, _each(batch, module), strict=True):
            if not isinstance(read, str):
                files.append(one.path)
                arrays.append(read)
            elif not one.note:
                problems.append(read)
                lost |= one.lost
        if arrays:
            with torch.inference_mode():
                parts.append(module(torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)).numpy())
    found = np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)
    return Predicted(files, found, problems, lost)


def _each(batch: Sequence[Candidate], module: Classifier) -> Iterator[pictures.Images | str]:
    """Read each candidate, (height, width, channels), or say in one line why it cannot be read."""
    readable = [one.path for one in batch if one.problem is None]
    try:
        arrays = read_pictures(readable, module) if readable else ()
        read: Iterator[pictures.Images] | None = iter(arrays)
    except ValueError:  # one of them is the reason; each is read alone
        read = None
    for one in batch:
        if one.problem is not None:
            yield one.problem
        elif read is not None:
            yield next(read)
        else:
            try:
                yield _one(printable(str(one.path)), one.path, module)[0]
            except ValueError as error:
                yield str(error)


def read_pictures(files: Sequence[Path], module: Classifier) -> pictures.Images:
    """Read images as the network takes them.

    They are resized where the network takes square images. Grey images become colour images for a
    network of colour images, as in a data set that has both.

    Returns:
        An array (n, height, width, channels).

    Raises:
        ValueError: if an image does not fit the network.
    """
    channels, height, width = module.shape
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


def _one(name: str, file: Path, module: Classifier) -> pictures.Images:
    """Read one image, (1, height, width, channels), which must fit the network."""
    channels, height, width = module.shape
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
