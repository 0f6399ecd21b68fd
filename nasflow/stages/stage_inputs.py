"""What a stage is given: its sections, its device, and batch sizes that the images allow."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from nasflow.config.batch_sizes import fitted
from nasflow.config.class_weights import factors
from nasflow.config.data import Data, of_losses
from nasflow.config.kinds import Precision
from nasflow.config.reading import parse
from nasflow.config.section import Plain, Section
from nasflow.network.network import compile_kernels
from nasflow.printable import shown
from nasflow.storage.splits import read_facts, read_split
from nasflow.training import heap
from nasflow.training.batches import Split
from nasflow.training.process import on_device, one_thread
from nasflow.training.ranks import own_device

S = TypeVar("S", bound=Section)


def sections_of(config: str) -> dict[str, Any]:
    """Read the sections of a configuration from a JSON text, as plain data by name.

    Raises:
        ValueError: if the text is no JSON object.
    """
    raw: Any = json.loads(config)
    if not isinstance(raw, dict):
        raise ValueError(f"--config: {shown(raw)}; expected a JSON object of sections")
    return raw


def section(cls: type[S], sections: dict[str, Any], name: str) -> S:
    """Check one section of the configuration.

    Args:
        cls: the model of the section.
        sections: plain data by name, as `sections_of` returns it.
        name: the name of the section.

    Returns:
        The section, with all defaults if it is left out.

    Raises:
        ConfigError: if there is a problem, with one line for each.
    """
    return parse(cls, sections.get(name, {}), name)


def described(sections: dict[str, Any]) -> dict[str, Plain]:
    """Return the class weights by the name of their key; nothing where there are none."""
    return of_losses(_data(sections))


def read_splits(folder: Path, device: str, sections: dict[str, Any]) -> tuple[Split, Split]:
    """Read the training and the validation images, with the class weights of a configuration.

    The weights follow from the training images, and hold for both.

    Args:
        folder: the folder of the prepared images.
        device: the device of the tensors.
        sections: plain data by name, as `sections_of` returns it.

    Raises:
        CorruptFile: if a file is missing or damaged.
        ValueError: if a class of the weights is none of the images.
    """
    train, validation = (read_split(folder, name, device) for name in ("train", "validation"))
    classes = read_facts(folder)["classes"]
    counts = train.labels.bincount(minlength=len(classes)).tolist()
    own = factors(_data(sections).class_weights, classes, counts)
    return train.weighted(own), validation.weighted(own)


def _data(sections: dict[str, Any]) -> Data:
    """Read the class weights, which stand beside the sections where there are any.

    The other keys of the result have their defaults, because a stage does not get their values.
    """
    own = {name: value for name, value in sections.items() if name == "class_weights"}
    return parse(Data, own, "data")


@contextmanager
def stage(
    device: str, deterministic: bool = False, precisions: Collection[Precision] = ()
) -> Iterator[str]:
    """Prepare this process for a stage.

    Torch computes on one thread while the context lasts. Freed memory may stay with the process
    (module `heap`). On a CPU the kernels are loaded here, before the stage counts its seconds. A
    GPU becomes the current one of this process.

    Args:
        device: cpu, cuda or cuda:N.
        deterministic: whether a GPU may use only algorithms that give the same bits in each run.
        precisions: those in which the stage trains.

    Yields:
        The device of this rank (`own_device`).

    Raises:
        ValueError: if there is no such device, or if it does not have one of the precisions.
    """
    own = own_device(device)
    heap.apart()
    with one_thread(), on_device(own, deterministic=deterministic, precisions=precisions):
        if own == "cpu":
            compile_kernels()
        yield own


def fitting(own: S, name: str, train: int, validation: int, told: bool = True) -> S:
    """Lower the batch sizes of a section to the number of images, and print what was lowered.

    Args:
        own: the section pretrain, search or final.
        name: its name.
        train: the number of training images.
        validation: the number of validation images.
        told: whether anything is printed.

    Raises:
        ValueError: if a size above its default exceeds the number of images; it names the key.
    """
    found, lines = fitted(own, name, train, validation)
    for line in lines if told and os.environ.get("RANK", "0") == "0" else ():
        print(f"nasflow: {line}", file=sys.stderr)
    return found
