"""How a search is set up, given the images and the time.

All lengths are seconds of wall clock, because that is what a user asks for: networks of different
cost then train equally long, and a slow machine makes fewer steps.
"""

from __future__ import annotations

from typing import NamedTuple

from nasflow.architecture.templates import HALVED, WIDTHS, named
from nasflow.planning.choices import Choice
from nasflow.planning.survey import Survey
from nasflow.planning.symmetry import SMALLER

# Seconds that are no training, measured on one core of a Zen 4 (AddNIST, 6 minutes): the start of
# Snakemake and of the stage that reads the images; for each search the start of a program for each
# stage, the portfolio and the page; and its mirror in MLflow.
OVERHEAD = 12.0
EACH = 33.0
MIRROR = 18.0
MIRRORED = 10.0  # minutes from which on there is a mirror: below, it would cost too much of them
TESTED = 2 / 3  # time of a test image, in float32, over that of a training image
LEAST = 0.5  # part of the time that is training at least, however long the images take to read
START = 0.15  # part of the training time for the round of the portfolio
SEARCH = 0.3  # part for all rounds, where there is time for more; the winner's training is in it
# Passes over the images that the first template can make in the time, below which a larger network
# has no time to be better: then the search is the choice in the portfolio alone (docs/recipe.md).
PASSES = 20.0
# Training images that the first template can see in the time, from which on wider networks are
# better at the end, and the power of its width with which the time of a step grows
# (docs/recipe.md).
SEEN = 350_000.0
COST = 1.8
CHILDREN = 3  # per round beside the centre: few, different and large changes
LARGEST = 64  # pixels per side of images that are resized
MANY = 100_000  # images from which on they have half of it; 64 x 64 in colour take 12 kB each
SMALLEST = 16  # pixels per side that images have at least where they are smaller at first
LARGE = 5000  # training images from which on a batch has BATCH of them
BATCH, SMALL_BATCH, VALIDATION_BATCH = 128, 64, 128
PORTFOLIO = ("chain7", "airbench", "chain6", "resnet20")


class Shape(NamedTuple):
    """What follows from the images alone.

    Attributes:
        size: `data.size`: pixels per side to which images are resized, or None.
        image: channels, height and width of an image.
        shift: `augment.shift`, in pixels, where images may be shifted.
        train: number of training images.
        validation: number of validation images.
        batch: training images per step.
        validation_batch: validation images per step of the search.
    """

    size: int | None
    image: tuple[int, int, int]
    shift: int
    train: int
    validation: int
    batch: int
    validation_batch: int


class Lengths(NamedTuple):
    """What follows from the time.

    Attributes:
        total: seconds of pretraining, rounds and final training together.
        search: seconds of the rounds.
        part: the part of them that the round of the portfolio takes.
        width: how wide the networks of the portfolio are; 1 is their usual width.
        passes: how often the first network of the portfolio, of this width, sees each image.
    """

    total: float
    search: float
    part: float
    width: float
    passes: float

    def small(self, shaped: Shape) -> bool:
        """Tell whether images should be smaller at first, if this keeps their classes.

        It lets the network see more images, which is worth something where it sees each of them a
        few times only. Very small images have no pixels to spare.
        """
        return self.passes < PASSES and SMALLER * min(shaped.image[1:]) >= SMALLEST

    @property
    def portfolio(self) -> tuple[str, ...]:
        """The names of the networks of the portfolio."""
        return tuple(named(name, self.width) for name in PORTFOLIO)


def shape(found: Survey, size: int | None = None) -> Shape:
    """Derive the sizes from the images.

    Images that all have one size of at most HALVED pixels per side keep it; others are made square.
    Those with more than HALVED pixels get up to LARGEST: the templates halve them in their first
    convolution, so that they cost about as much as images of half that side. Others get half of it.

    Args:
        found: what the images are.
        size: pixels per side to which images are resized; None decides by the images.
    """
    height, width, channels = found.size
    if size is not None:
        height = width = size
    elif not found.uniform or max(height, width) > HALVED:
        side = max(8, min(height, width))
        roomy = side > HALVED and found.images < MANY
        height = width = size = min(side, LARGEST if roomy else LARGEST // 2)
    held = found.images if found.test else round(0.8 * found.images)
    validation = found.counts.get("validation", max(1, round(0.1 * held)))
    train = found.counts.get("train", held - validation)
    batch = BATCH if train >= LARGE else SMALL_BATCH
    while batch > 8 and train // batch < 10:
        batch //= 2
    return Shape(
        size,
        (channels, height, width),
        max(1, min(height, width) // 16),
        train,
        validation,
        min(batch, train),
        min(VALIDATION_BATCH, validation),
    )


def training_seconds(chosen: Choice, used: float) -> float:
    """Return the seconds of training of one search.

    Args:
        chosen: what the user wants: minutes for everything, and how many trainings share them.
        used: seconds of these minutes that the plan, the reading of the images and the tests take.
    """
    seconds = 60.0 * chosen.minutes
    each = EACH + (MIRROR if mirrored(chosen) else 0.0)
    rest = (seconds - used - OVERHEAD) / chosen.waves - each
    return round(max(rest, LEAST * seconds / chosen.waves), 1)


def mirrored(chosen: Choice) -> bool:
    """Tell whether results are copied to MLflow while the pipeline runs."""
    return chosen.minutes >= MIRRORED


def lengths(total: float, passes: float, images: int) -> Lengths:
    """Derive the width of the networks and the seconds of the stages.

    Args:
        total: seconds of training of one search.
        passes: how often the first network of the portfolio, of its usual width, would see each
            image in this time.
        images: number of training images.
    """
    wide = width(passes * images)
    passes /= wide**COST
    if passes < PASSES:
        return Lengths(total, round(START * total, 1), 1.0, wide, passes)
    return Lengths(total, round(SEARCH * total, 1), START / SEARCH, wide, passes)


def width(seen: float) -> float:
    """Return how wide the networks of the portfolio are: 1, or one of WIDTHS.

    A wider network sees fewer images in the same time, and learns more from each of them. So it is
    better where there is much time. It is the widest one that still sees SEEN images.

    Args:
        seen: images that the first network, of its usual width, would be trained on in the time.
    """
    return max((w for w in WIDTHS if seen >= SEEN * w**COST), default=1.0)
