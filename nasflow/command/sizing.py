"""How large a search may be for the images, the time and the machine there are.

Shares and ratios are those of config/cifar10_cpu.yaml, which found its network within 20 minutes:
3 % pretraining, 13 % search, the rest final training; a final network of at most some times the
base's FLOPs, so that the final training sees every image 30 times or more.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from nasflow.architecture.architecture import Architecture, chain
from nasflow.command.survey import Survey

PRETRAIN, SEARCH = 0.04, 0.16
OVERHEAD = 60.0  # seconds of starting programs, a run; a quarter of a short one at most
PASSES = (30, 200)  # over the training images in the final training, at least and at most
GROWTH = (2.0, 12.0)  # FLOPs of the found network over those of the base, at least and at most
STEPS = (160, 6000)  # of a search
MOST = 0.3  # share of the time that the shortest search may take; else the base gets narrower
CHILDREN = 5
BATCH, VALIDATION_BATCH = 64, 32


class Shape(NamedTuple):
    """What follows from the images alone. `size`: what data.size should be."""

    size: int | None
    image: tuple[int, int, int]  # channels, height, width
    widths: tuple[int, ...]
    shift: int
    train: int
    validation: int
    batch: int
    validation_batch: int

    @property
    def final_batch(self) -> int:
        return 2 * self.batch if self.train >= 5000 else self.batch

    def base(self, classes: int) -> Architecture:
        return chain(self.widths, 3, self.image, classes)

    def grown(self, classes: int) -> Architecture:
        """Some three times the base's FLOPs, as networks have on the way: speed is measured on it,
        since small networks take more time a FLOP."""
        return chain(tuple(2 * width for width in self.widths), 3, self.image, classes)


class Lengths(NamedTuple):
    """What follows from the time: epochs, steps, FLOPs."""

    pretrain_epochs: float
    steps: int
    max_steps: int
    cycle_epochs: float
    max_flops: float
    final_flops: float


def shape(found: Survey, minutes: float) -> Shape:
    """Images of one size up to 48 pixels stay as they are; all else becomes square."""
    height, width, channels = found.size
    size = None
    if not found.uniform or max(height, width) > 48:
        roomy = 64 if minutes >= 120 else 48 if minutes >= 60 else 32
        size = min(roomy, max(8, min(height, width)))
        height = width = size
    side = min(height, width)
    held = found.images if found.test else round(0.8 * found.images)
    validation = max(1, round(0.1 * held))
    train = held - validation
    batch = BATCH
    while batch > 8 and train // batch < 10:
        batch //= 2
    return Shape(
        size,
        (channels, height, width),
        bases(side)[0],
        max(1, side // 16),
        train,
        validation,
        min(batch, train),
        min(VALIDATION_BATCH, validation),
    )


def bases(side: int) -> list[tuple[int, ...]]:
    """Widths of base networks for images of that many pixels a side, widest first."""
    if side < 16:
        return [(8, 16, 32)]
    if side <= 40:
        return [(24, 48, 96), (16, 32, 64), (8, 16, 32)]
    return [(16, 32, 64, 96), (8, 16, 32, 64), (4, 8, 16, 32)]


def narrowed(given: Shape, classes: int, minutes: float, speed: float) -> Shape:
    """The widest base whose shortest search fits the time, or the narrowest."""
    for widths in bases(min(given.image[1:])):
        given = given._replace(widths=widths)
        mean = given.base(classes).flops * (1 + GROWTH[0]) / 2
        if STEPS[0] * _step(given, mean) <= MOST * _work(minutes, speed):
            break
    return given


def lengths(given: Shape, classes: int, minutes: float, speed: float) -> Lengths:
    """`speed`: FLOPs of training a second, 3 x forward x images, on this machine."""
    base, work = given.base(classes).flops, _work(minutes, speed)
    an_epoch = 3.0 * base * given.train
    final = (1 - PRETRAIN - SEARCH) * work
    longest = 2 * MOST * work / (STEPS[0] * _step(given, base)) - 1  # growth that it can search
    growth = min(max(min(final / (PASSES[0] * an_epoch), longest), GROWTH[0]), GROWTH[1])
    step = _step(given, base * (1 + growth) / 2)
    steps = int(min(max(SEARCH * work / step, STEPS[0]), STEPS[1]))
    return Lengths(
        rounded(min(max(PRETRAIN * work / an_epoch, 1.0), 20.0)),
        steps,
        min(600, max(100, steps // 4)),
        rounded(steps * given.batch / given.train),
        rounded(growth * base),
        rounded(min(final, PASSES[1] * growth * an_epoch)),
    )


def _work(minutes: float, speed: float) -> float:
    """FLOPs that the time allows once programs have started."""
    return speed * 60.0 * max(minutes - OVERHEAD / 60.0, 0.75 * minutes)


def _step(given: Shape, flops: float) -> float:
    """FLOPs of a step of the search, where networks have so many an image on average."""
    return (CHILDREN + 1) * flops * (3 * given.batch + given.validation_batch)


def rounded(value: float) -> float:
    """To three digits: what a person reads in a file."""
    return float(f"{value:.3g}") if value and math.isfinite(value) else value
