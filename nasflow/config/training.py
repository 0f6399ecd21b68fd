"""The sections `pretrain` and `final`, and the keys that they share with `search`."""

from __future__ import annotations

from typing import Any

from nasflow.config.kinds import Optimizer, Precision, Schedule
from nasflow.config.section import Section, choice, key


def _lambda_start(default: float) -> Any:
    meaning = "step size at the start of the cosine: tau of the heavy ball, learning rate of sgd"
    return key(default, meaning, above=0.0, high=10.0)


def _weight_decay(default: float) -> Any:
    return key(default, "added to the gradient as weight_decay * x", low=0.0, high=1.0)


class Training(Section):
    """What every stage says about the training of its networks."""

    batch_size: int = key(
        64,
        "training images per step (S_X); 64 or less is lowered to the number of images",
        low=2,
        high=65536,
    )
    optimizer: Optimizer = choice(
        Optimizer.HEAVY_BALL,
        "heavy_ball is the rule of D.1, sgd has Nesterov momentum, muon orthogonalises its steps",
    )
    precision: Precision = choice(
        Precision.FLOAT32, "number format of convolutions and head; tf32 exists on a GPU only"
    )
    lambda_start: float = _lambda_start(0.05)
    lambda_final: float = key(1e-7, "step size at the end of the cosine", low=0.0, high=10.0)
    friction: float = key(1.0, "gamma of the heavy ball", low=0.0, high=100.0)
    momentum: float = key(0.9, "of sgd and muon", low=0.0, high=0.9999)
    weight_decay: float = _weight_decay(0.0)


class Fitting(Training):
    """What pretraining and final training say, each of which trains a single network."""

    label_smoothing: float = key(
        0.0, "part of the target that is spread over all classes", low=0.0, high=0.9
    )
    shards: int = key(
        2, "parts of a batch, each with BatchNorm statistics of its own", low=1, high=64
    )
    schedule: Schedule = choice(
        Schedule.COSINE, "how the step size falls from lambda_start to lambda_final"
    )


class Pretrain(Fitting):
    """Training of g_0 before the search (paper: 20 epochs, 0.5 -> 1e-7)."""

    epochs: float = key(10.0, "passes over the training images", low=0.0, high=1e5)
    lambda_start: float = _lambda_start(0.5)


class Final(Fitting):
    """Training of the winner to convergence (stage `final_train`)."""

    epochs: float | None = key(
        60.0,
        "passes over the training images; null where another key tells how long it lasts",
        above=0.0,
        high=1e5,
    )
    flops: float | None = key(
        None,
        "compute budget instead of epochs: forward FLOPs x 3 x images seen",
        above=0.0,
    )
    total_epochs: float | None = key(
        None,
        "instead: passes of all networks that pretraining, search and final training have together",
        above=0.0,
        high=1e6,
    )
    total_seconds: float | None = key(
        None,
        "instead: seconds of wall clock that all three have together; results then vary",
        above=0.0,
    )
    optimizer: Optimizer = choice(Optimizer.SGD, "heavy_ball, sgd or muon")
    warmup: float = key(
        0.0,
        "part of the steps in which the step size rises linearly from zero",
        low=0.0,
        high=0.9,
    )
    weight_decay: float = _weight_decay(5e-4)
    cutout: int = key(0, "side of a square set to the mean colour, pixels", low=0, high=1024)
    alternating_flip: bool = key(
        False, "with augment.flip: mirror an image in every second epoch instead of by chance"
    )
    weight_average: int = key(
        1,
        "steps over which the weights of the result are averaged; 1 takes the last ones",
        low=1,
        high=10**6,
    )
    resize: float = key(
        1.0,
        "side of the images at first, relative to their own (progressive resizing); 1: their own",
        low=0.25,
        high=1.0,
    )
    resize_until: float = key(
        0.5,
        "resize: part of the training after which images have their own size",
        low=0.0,
        high=1.0,
    )
    use_validation: bool = key(False, "train on the validation images too")
    front: int = key(
        1, "networks that are trained to the end, the found one among them", low=1, high=32
    )
    distillation: float = key(
        0.0, "front: weight of the largest network's probabilities in the loss", low=0.0, high=1.0
    )
    temperature: float = key(
        4.0, "distillation: what logits are divided by (Hinton et al. 2015)", low=0.1, high=100.0
    )
    patience: int | None = key(
        None,
        "epochs without 1 % less validation loss after which the step size falls to its end",
        low=1,
    )
