"""The sections `data` and `augment`: where images come from, and how they are varied."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from nasflow.config.class_weights import NONE, SCHEMA, ClassWeights, checked
from nasflow.config.kinds import Source
from nasflow.config.section import Plain, Section, choice, key, plain


class Data(Section):
    """Where the images come from and how they are split (stage `prepare`)."""

    source: Source = choice(Source.DIGITS, "where the images come from")
    root: str = key("data", "folder that torchvision downloads into")
    download: bool = key(True, "let torchvision download what is missing")
    train: str | None = key(None, "folder: directory of class directories; parquet: file or glob")
    test: str | None = key(None, "the same for the test set; without it test_fraction is held out")
    validation: str | None = key(
        None, "the same for Y_k; without it validation_fraction is held out"
    )
    split: str | None = key(
        None,
        "CSV that says for each image of train which split it is in, such as a saved split.csv",
    )
    size: int | None = key(
        None, "resize to size x size pixels; needed when sizes differ", low=4, high=1024
    )
    validation_fraction: float = key(
        0.1, "part of the training images that is used for Y_k", above=0.0, high=0.9
    )
    test_fraction: float = key(
        0.2,
        "part that is held out as test set where the source has none",
        above=0.0,
        high=0.9,
    )
    split_seed: int = key(
        0, "seed of the splits, shared by all algorithms and seeds", low=0, high=2**63 - 1
    )
    class_weights: Annotated[ClassWeights, BeforeValidator(checked)] = key(
        NONE,
        "how much the images of each class count in every loss: none, balanced, or name: weight",
        json_schema_extra=SCHEMA,
    )


def of_images(data: Data) -> dict[str, Plain]:
    """Return the keys on which the prepared images depend: all but `class_weights`.

    They alone are what `prepare` is given, so that other weights decode no picture again.
    """
    return {name: value for name, value in plain(data).items() if name != "class_weights"}


def of_losses(data: Data) -> dict[str, Plain]:
    """Return the keys of `data` on which the losses depend, for the stages that train.

    It is empty without class weights, so that what was made by a version without this key, which
    is the same, is kept.
    """
    weights = data.class_weights
    return {} if weights == NONE else {"class_weights": plain(data)["class_weights"]}


class Augment(Section):
    """Random changes of a training image, the same for all siblings."""

    flip: bool = key(False, "mirror half of the images")
    shift: int = key(1, "shift by up to this many pixels, zeros moved in", low=0, high=64)
    crop: float = key(
        1.0,
        "smallest part of the area that a random crop keeps, resized again; 1: no crop",
        low=0.05,
        high=1.0,
    )
    colour: float = key(
        0.0,
        "brightness, contrast and saturation times factors from 1 - colour to 1 + colour",
        low=0.0,
        high=1.0,
    )
    erase: float = key(
        0.0, "probability that a rectangle is set to the mean colour", low=0.0, high=1.0
    )
    mixup: float = key(
        0.0, "final training: alpha of mixup, which blends two images; 0: off", low=0.0, high=10.0
    )
    cutmix: float = key(
        0.0,
        "final training: alpha of cutmix, which pastes a part of one image into another; 0: off",
        low=0.0,
        high=10.0,
    )
