"""How large a search may be, given the images, the time and the machine.

The fractions and ratios follow config/cifar10_cpu.yaml, which found its network within 20 minutes:
3 % of the time for pretraining, 13 % for the search, and the rest for the final training. (PRETRAIN
and SEARCH below are a little larger.) The final network has at most a few times the FLOPs of the
base network, so that the final training sees every image 30 times or more.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import chain
from nasflow.command.survey import Survey

PRETRAIN, SEARCH = 0.04, 0.16  # fractions of the work; the rest is for the final training
OVERHEAD = 60.0  # seconds per run in which programs start; at most a quarter of a short run
PASSES = (30, 200)  # fewest and most passes over the training images in the final training
GROWTH = (2.0, 12.0)  # smallest and largest ratio of the FLOPs of the found and the base network
STEPS = (160, 6000)  # fewest and most steps of a search
MOST = 0.3  # fraction of the work that the shortest search may take; else the base gets narrower
CHILDREN = 5  # per round
BATCH, VALIDATION_BATCH = 64, 32


class Shape(NamedTuple):
    """What follows from the images alone.

    Attributes:
        size: `data.size`: pixels per side to which images are resized, or None.
        image: channels, height and width of an image.
        widths: filters of each convolution of the base network.
        shift: `augment.shift`, in pixels.
        train: number of training images.
        validation: number of validation images.
        batch: training images per step of pretraining and search.
        validation_batch: validation images per step of the search.
    """

    size: int | None
    image: tuple[int, int, int]
    widths: tuple[int, ...]
    shift: int
    train: int
    validation: int
    batch: int
    validation_batch: int

    @property
    def final_batch(self) -> int:
        """Images per step of the final training."""
        return 2 * self.batch if self.train >= 5000 else self.batch

    def base(self, classes: int) -> Architecture:
        """The base network."""
        return chain(self.widths, 3, self.image, classes)

    def grown(self, classes: int) -> Architecture:
        """A network of about three times the base's FLOPs, a typical size during a search.

        The speed is measured on it, since small networks take more time per FLOP.
        """
        return chain(tuple(2 * width for width in self.widths), 3, self.image, classes)


class Lengths(NamedTuple):
    """What follows from the time.

    Attributes:
        pretrain_epochs: epochs of the pretraining.
        steps: steps of the whole search.
        max_steps: largest number of steps of a round.
        cycle_epochs: epochs of a cosine cycle of the step size.
        max_flops: FLOPs per image at which the search ends.
        final_flops: FLOPs of the final training.
    """

    pretrain_epochs: float
    steps: int
    max_steps: int
    cycle_epochs: float
    max_flops: float
    final_flops: float


def shape(found: Survey, minutes: float) -> Shape:
    """Derive the sizes from the images.

    Images that all have one size of at most 48 pixels keep it; others are made square.

    Args:
        found: what the images are.
        minutes: time for the whole search.
    """
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
    """Filters of possible base networks for images of `side` pixels per side, the widest first."""
    if side < 16:
        return [(8, 16, 32)]
    if side <= 40:
        return [(24, 48, 96), (16, 32, 64), (8, 16, 32)]
    return [(16, 32, 64, 96), (8, 16, 32, 64), (4, 8, 16, 32)]


def narrowed(given: Shape, classes: int, minutes: float, speed: float) -> Shape:
    """Choose the widest base network whose shortest search fits the time, or the narrowest one.

    Args:
        given: the sizes, whose base network is replaced.
        classes: number of classes.
        minutes: time for the whole search.
        speed: FLOPs of training per second (3 x FLOPs of a forward pass x images).
    """
    for widths in bases(min(given.image[1:])):
        given = given._replace(widths=widths)
        mean = given.base(classes).flops * (1 + GROWTH[0]) / 2
        if STEPS[0] * _step(given, mean) <= MOST * _work(minutes, speed):
            break
    return given


def lengths(given: Shape, classes: int, minutes: float, speed: float) -> Lengths:
    """Derive the lengths from the time.

    Args:
        given: the sizes that follow from the images.
        classes: number of classes.
        minutes: time for the whole search.
        speed: FLOPs of training per second (3 x FLOPs of a forward pass x images).
    """
    base, work = given.base(classes).flops, _work(minutes, speed)
    an_epoch = 3.0 * base * given.train
    final = (1 - PRETRAIN - SEARCH) * work
    longest = (
        2 * MOST * work / (STEPS[0] * _step(given, base)) - 1
    )  # the largest that a search can reach
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
    """FLOPs that can be computed in the time that remains after programs have started."""
    return speed * 60.0 * max(minutes - OVERHEAD / 60.0, 0.75 * minutes)


def _step(given: Shape, flops: float) -> float:
    """FLOPs of one step of the search, where networks have `flops` per image on average."""
    return (CHILDREN + 1) * flops * (3 * given.batch + given.validation_batch)


def rounded(value: float) -> float:
    """Round to three digits, for a file that a person reads."""
    return float(f"{value:.3g}") if value and math.isfinite(value) else value
