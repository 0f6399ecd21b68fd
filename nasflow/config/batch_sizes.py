"""Batch sizes that the images allow.

A batch cannot have more images than there are. A set may be so small that it does not fill a batch
of the default size. There the size is lowered to the number of images, and one line says so. A size
above the default was written by somebody, so it is refused where it exceeds the number of images.
Where a set is large enough, nothing changes.
"""

from __future__ import annotations

from typing import TypeVar

from nasflow.config.experiment import Experiment
from nasflow.config.search import Search
from nasflow.config.section import Section
from nasflow.config.training import Final, Fitting

S = TypeVar("S", bound=Section)
SECTIONS = ("pretrain", "search", "final")


def fitted(section: S, name: str, train: int, validation: int) -> tuple[S, list[str]]:
    """Lower the batch sizes of a section to the number of images.

    Args:
        section: the section pretrain, search or final.
        name: its name, for messages.
        train: the number of training images.
        validation: the number of validation images.

    Returns:
        The section, and one line for each size that was lowered.

    Raises:
        ValueError: if a size above its default exceeds the number of images. The message has one
            line for each such size.
    """
    there = train + validation if isinstance(section, Final) and section.use_validation else train
    limits = {"batch_size": there}
    if isinstance(section, Search):
        limits["validation_batch_size"] = validation
    shards = section.shards if isinstance(section, Fitting) else 1
    wrong, lines, sizes = [], [], {}
    for key, images in limits.items():
        size, default = getattr(section, key), type(section).model_fields[key].default
        if size <= images:
            continue
        if size > default or not images:
            wrong.append(f"{name}.{key}: {size}; expected at most the {images} images there are")
            continue
        # The shards of a batch are equal parts of it.
        sizes[key] = images - images % shards if images >= shards else images
        if getattr(section, "epochs", None) != 0.0:  # without an epoch there is no batch
            lines.append(
                f"{name}.{key}: {size}; lowered to {sizes[key]}, as {images} images are there"
            )
    if wrong:
        raise ValueError("\n".join(wrong))
    return section.model_copy(update=sizes) if sizes else section, lines


def fitted_experiment(
    experiment: Experiment, train: int, validation: int
) -> tuple[Experiment, list[str]]:
    """Lower all batch sizes of an experiment to the number of images.

    Args:
        experiment: the configuration.
        train: the number of training images.
        validation: the number of validation images.

    Returns:
        The experiment, and one line for each size that was lowered.

    Raises:
        ValueError: if sizes above their defaults exceed the number of images, with one line for
            each.
    """
    sections, told, wrong = {}, [], []
    for name in SECTIONS:
        try:
            sections[name], lines = fitted(getattr(experiment, name), name, train, validation)
            told += lines
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("\n".join(wrong))
    return experiment.model_copy(update=sections), told
