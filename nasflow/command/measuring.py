"""What a plan must know about the machine: the faster number format, and how fast it trains."""

from __future__ import annotations

from typing import NamedTuple

from nasflow.architecture.templates import TEMPLATES
from nasflow.command.sizing import PORTFOLIO, Shape
from nasflow.config.kinds import Precision

PATIENCE = 1.0  # seconds of training in which the speed of a number format is measured
PLENTY = 1000.0  # passes over the images, assumed on a GPU


class Machine(NamedTuple):
    """What was measured.

    Attributes:
        precision: the number format that trains faster.
        passes: how often the first network of the portfolio would see each image in the time.
    """

    precision: Precision
    passes: float


def machine(shaped: Shape, classes: int, device: str, threads: int, seconds: float) -> Machine:
    """Train the first network of the portfolio in each number format; on a GPU nothing is measured.

    Args:
        shaped: the sizes that follow from the images.
        classes: number of classes.
        device: where networks live.
        threads: cores of one stage.
        seconds: the seconds of training that are planned.
    """
    if device != "cpu":
        return Machine(Precision.BFLOAT16, PLENTY)
    from nasflow.command.speed import training_speed  # imports torch

    g = TEMPLATES[PORTFOLIO[0]](shaped.image, classes)
    kinds = (Precision.FLOAT32, Precision.BFLOAT16)
    speeds = {kind: training_speed(g, shaped.batch, threads, PATIENCE, kind) for kind in kinds}
    fastest = max(kinds, key=lambda kind: speeds[kind].flops)
    return Machine(fastest, seconds * speeds[fastest].flops / (3.0 * g.flops * shaped.train))
