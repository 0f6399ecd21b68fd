"""Measuring how fast this machine trains."""

from __future__ import annotations

import time
from typing import NamedTuple

import torch

from nasflow.architecture.architecture import Architecture
from nasflow.config.kinds import Precision
from nasflow.network.network import initialise
from nasflow.randomness import generator
from nasflow.training import heap, optim
from nasflow.training.batches import Batches, Split
from nasflow.training.siblings import Siblings

IMAGES = 512
LEAST = 4  # steps that are measured
WARM = 3  # steps before the measurement, which compile kernels and fill caches


class Speed(NamedTuple):
    """How fast this machine trains.

    Attributes:
        flops: FLOPs per second, counted as 3 x FLOPs of a forward pass x images.
        busy: the fraction of its workers' time in which the program computed; in the rest it
            waited, or the cores did other work.
    """

    flops: float
    busy: float


def training_speed(
    g: Architecture,
    batch: int,
    workers: int,
    seconds: float,
    precision: Precision = Precision.FLOAT32,
) -> Speed:
    """Train a network from random weights on random images, for LEAST steps or more.

    Args:
        g: the architecture of the network.
        batch: images per step.
        workers: number of threads.
        seconds: about how long to train.
        precision: the number format.
    """
    rng = generator("trial of speed", 0)
    channels, height, width = g.shapes[g.image.id]
    pixels = rng.integers(0, 256, (max(IMAGES, batch), height, width, channels), dtype="uint8")
    half = torch.full((channels,), 0.5)
    labels = torch.arange(len(pixels)) % g.head.width
    split = Split(torch.from_numpy(pixels), labels, half, half)
    batches = Batches(split, batch, "trial of speed", (0,), shift=1)
    update = optim.muon(momentum=0.6, weight_decay=0.0)
    heap.apart()  # as a stage does, so that the measured speed is that of a stage
    network, shards = initialise(g, rng), min(workers, 2)
    with Siblings([network], update, workers=workers, shards=shards, precision=precision) as live:
        for k in range(WARM):
            live.step([batches(k)], None, 1e-6)
        began, computed, k = time.monotonic(), time.process_time(), 0
        while k < LEAST or time.monotonic() - began < seconds:
            live.step([batches(k)], None, 1e-6)
            k += 1
        taken, computed = time.monotonic() - began, time.process_time() - computed
    return Speed(3.0 * g.flops * batch * k / taken, computed / (workers * taken))
