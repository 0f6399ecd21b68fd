"""Images and labels as a user has them in memory, checked and split as `prepare` does."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from nasflow.config.batch_sizes import fitted_experiment
from nasflow.config.class_weights import factors
from nasflow.config.experiment import Experiment
from nasflow.data.datasets import FRACTIONS, Splits, describe, stratified
from nasflow.randomness import generator
from nasflow.training.batches import Split


class Images(NamedTuple):
    """The images of a search.

    Attributes:
        train: the training images, on the device of the experiment.
        validation: the validation images, there too.
        facts: what data.json would say about them, the names of the classes among it.
    """

    train: Split
    validation: Split
    facts: dict[str, Any]


def split_arrays(images: npt.ArrayLike, labels: npt.ArrayLike, experiment: Experiment) -> Images:
    """Hold out a stratified part of the images for validation, drawn as `prepare` draws it.

    Args:
        images: uint8 (n, height, width) or (n, height, width, channels).
        labels: one label of any type for each image, (n,).
        experiment: gives the split and the class weights (its section data), the batch sizes and
            the device. A class is named there by the text of its label, such as 7 or cat.

    Returns:
        The training and validation images, and the facts about them.

    Raises:
        ValueError: if the arrays do not fit each other, a batch size above its
            default is larger than its split, or a class of the weights is not there.
    """
    pixels, data = as_pixels(images), experiment.data
    classes, numbers = np.unique(np.asarray(labels), return_inverse=True)
    if numbers.shape != (len(pixels),):
        raise ValueError(f"labels: {numbers.shape}; expected one for each of {len(pixels)} images")
    key = "validation_fraction"
    rng = generator("split", data.split_seed, FRACTIONS.index(key))
    held = stratified(numbers, data.validation_fraction, rng)
    if not held.any():
        raise ValueError(
            f"data.{key}: {data.validation_fraction} of {len(pixels)} images is none; raise it"
        )
    parts = [(pixels[rows], numbers[rows].astype(np.int64)) for rows in (~held, held, held[:0])]
    facts = describe(Splits("arrays", tuple(classes.tolist()), *parts[0], *parts[1], *parts[2]))
    mean, std = (torch.tensor(facts[name], dtype=torch.float32) for name in ("mean", "std"))
    weights = factors(data.class_weights, facts["classes"], facts["counts"]["train"])
    train, validation = (
        Split(torch.from_numpy(part), torch.from_numpy(own), mean, std)
        .to(experiment.device)
        .weighted(weights)
        for part, own in parts[:2]
    )
    fitted_experiment(experiment, len(train), len(validation))
    return Images(train, validation, facts)


def as_pixels(images: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Return images as uint8 (n, height, width, channels).

    Raises:
        ValueError: if they have another type or shape.
    """
    pixels = np.asarray(images)
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
        raise ValueError(
            f"images: {pixels.dtype} {pixels.shape}; expected uint8 (n, height, width) or "
            "(n, height, width, channels), 0 to 255"
        )
    return np.ascontiguousarray(pixels if pixels.ndim == 4 else pixels[..., None])
