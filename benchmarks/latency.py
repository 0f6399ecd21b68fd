"""Predicted and measured latency side by side, on networks that no fit has seen and on templates.

    python benchmarks/latency.py

It fits a table for each shape of images and each number format, as `nasflow latency` does, and then
measures other networks: random ones of another seed, and the templates. Run it on a machine that
does nothing else. It prints a table for each of both, and takes some three minutes of one core.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from nasflow.architecture.templates import TEMPLATES, Image
from nasflow.config.kinds import Stored
from nasflow.deployment.latency_fit import NETWORKS, measure
from nasflow.deployment.latency_measurement import measured
from nasflow.deployment.latency_sample import networks
from nasflow.deployment.latency_table import TOLERATED, LatencyTable
from nasflow.network.network import initialise

CHANNELS = {8: 1, 32: 3, 64: 3}  # of images, by their pixels per side
CLASSES, OTHERS = 10, 40


def main() -> None:
    """Fit, measure, and print both tables."""
    reader = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    reader.add_argument("--others", type=int, default=OTHERS, help="networks that no fit has seen")
    reader.add_argument("--sizes", type=int, nargs="+", default=list(CHANNELS), choices=CHANNELS)
    given = reader.parse_args()
    torch.set_num_threads(1)
    unseen, templates = [], []
    for size in given.sizes:
        image = CHANNELS[size], size, size
        for precision in Stored:
            began = time.monotonic()
            table = measure(image, CLASSES, precision)
            took = time.monotonic() - began
            unseen.append(_unseen(table, took, given.others))
            templates += _templates(table)
    print(
        "| images | format | fit, s | check, median | 90th | others, ms | error | 90th | in 15 % |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |", *unseen, sep="\n")
    print("\n| network | images | format | measured, ms | predicted, ms | error |")
    print("| --- | --- | --- | --- | --- | --- |", *templates, sep="\n")


def _unseen(table: LatencyTable, took: float, count: int) -> str:
    """Measure networks that come after those of the fit, and return a row."""
    drawn = networks(table.image, CLASSES, count, first=NETWORKS)
    times = measured(drawn, table.precision)
    guessed = np.array([table.milliseconds(network.architecture) for network in drawn])
    errors = np.abs(guessed / times - 1.0)
    return (
        f"| {_shape(table.image)} | {table.precision} | {took:.0f} | {table.check.median:.1%} | "
        f"{table.check.ninth:.1%} | {times.min():.3g} to {times.max():.3g} | "
        f"{np.median(errors):.1%} | {np.quantile(errors, 0.9):.1%} | "
        f"{np.mean(errors <= TOLERATED):.0%} |"
    )


def _templates(table: LatencyTable) -> list[str]:
    """Measure the templates, and return a row for each."""
    rng = np.random.default_rng(0)
    drawn = [initialise(build(table.image, CLASSES), rng) for build in TEMPLATES.values()]
    times = measured(drawn, table.precision)
    rows = []
    for name, network, time_ in zip(TEMPLATES, drawn, times, strict=True):
        guess = table.milliseconds(network.architecture)
        rows.append(
            f"| {name} | {_shape(table.image)} | {table.precision} | {time_:.3g} | {guess:.3g} | "
            f"{guess / time_ - 1.0:+.0%} |"
        )
    return rows


def _shape(image: Image) -> str:
    return " x ".join(map(str, image))


if __name__ == "__main__":
    main()
