"""Whether a teacher pays: small networks, trained with and without one, at equal steps and seconds.

    python benchmarks/distillation.py results/E/data --teacher chain7 --steps 1000

The teacher is trained first, with the recipe of `nasflow init`. Then each student is trained with
the same recipe: by the labels alone, for the same number of steps with each weight and temperature,
and by the labels alone for as many steps as take the seconds of a training with the teacher. That
number follows from the ratio of the times of a step, which are measured in turns, so that other
work on the machine hardly changes it. `half` and `quarter` are the trained teacher with a half and
a quarter of its filters, the strongest ones. The Markdown table gives the error on the images that
no training sees, those of the test and of the validation set. One line of JSON for each run is
appended to the file --out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median
from typing import Any

from nasflow.architecture.templates import TEMPLATES, chain
from nasflow.config.data import Augment
from nasflow.config.reading import parse
from nasflow.config.training import Final
from nasflow.network.base import template_network
from nasflow.network.network import Network, compile_kernels, initialise
from nasflow.network.whitening import IMAGES
from nasflow.network.width import narrow
from nasflow.randomness import generator
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.splits import read_split
from nasflow.training.batches import Split, join
from nasflow.training.duration import Length
from nasflow.training.evaluation import evaluate
from nasflow.training.score import Score
from nasflow.training.train import TrainingJob, train

RECIPE: dict[str, Any] = {
    "batch_size": 64,
    "optimizer": "muon",
    "lambda_start": 0.1,
    "lambda_final": 0.0,
    "momentum": 0.6,
    "schedule": "linear",
    "warmup": 0.05,
    "label_smoothing": 0.1,
    "shards": 1,
}
NARROWED = {"half": 1, "quarter": 2}  # how often the filters of the teacher are halved
TURNS, BURST = 5, 20  # how often a step with and one without a teacher are timed, and in how many


class Bench:
    """The images, the recipe, and the trained teacher.

    Args:
        arguments: those of the command line.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._given = arguments
        self.train, self.validation, self.test = (
            read_split(arguments.data, split, "cpu") for split in ("train", "validation", "test")
        )
        self.train = _first(self.train, arguments.images or len(self.train))
        self.classes = int(self.train.labels.max()) + 1
        self.teacher = self._trained_teacher()

    def network(self, name: str, seed: int) -> Network:
        """Make a network by its name: a template, widths of a chain as 4-8-16, or a checkpoint."""
        _, height, width, channels = self.train.images.shape
        image = (channels, height, width)
        if name in NARROWED:
            return _narrowed(self.teacher, NARROWED[name])
        if name in TEMPLATES:
            some = self.train.chunk(0, IMAGES)[0]
            return template_network(name, image, self.classes, seed, some)
        if name.replace("-", "").isdigit():
            g = chain(tuple(map(int, name.split("-"))), 3, image, self.classes)
            return initialise(g, generator("init", seed))
        return read_checkpoint(Path(name)).network

    def fit(
        self, start: Network, steps: int, seed: int, weight: float = 0.0, temperature: float = 1.0
    ) -> tuple[Network, float]:
        """Train a network; return it and its seconds per step."""
        own = RECIPE | {"distillation": weight, "temperature": temperature}
        job = TrainingJob(
            parse(Final, own, "final"),
            Augment(flip=self._given.flip, shift=self._given.shift),
            Length(steps, None),
            purpose="final",
            seed=seed,
            workers=1,
            teacher=self.teacher if weight else None,
        )
        few = _first(self.validation, RECIPE["batch_size"])  # evaluated ten times, and not used
        began = time.perf_counter()
        found = train(start, self.train, few, job, lambda *_: None).network
        return found, (time.perf_counter() - began) / steps

    def score(self, network: Network) -> Score:
        """Evaluate a network on all images that it was not trained on."""
        return evaluate(network, join(self.test, self.validation))

    def ratio(self, start: Network) -> float:
        """Return how many steps without a teacher take the seconds of one with it."""
        times: dict[float, list[float]] = {0.0: [], 0.5: []}
        for _, weight in itertools.product(range(TURNS), times):
            times[weight].append(self.fit(start, BURST, 0, weight)[1])
        return median(times[0.5]) / median(times[0.0])

    def _trained_teacher(self) -> Network:
        name, steps = self._given.teacher, self._given.teacher_steps
        if name in TEMPLATES or name.replace("-", "").isdigit():
            return self.fit(self.network(name, 0), steps, 0)[0]
        return read_checkpoint(Path(name)).network


def _narrowed(network: Network, times: int) -> Network:
    convs = [conv.id for conv in network.architecture.convs]
    rng = generator("narrow", 0)
    for conv in convs * times:
        if network.architecture.resizable(conv):
            network = narrow(network, (conv, 2), rng)
    return network


def _first(split: Split, count: int) -> Split:
    return Split(split.images[:count], split.labels[:count], split.mean, split.std)


def runs(bench: Bench, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Train every student in every manner and with every seed."""
    steps = arguments.steps
    for name in arguments.students:
        ratio = bench.ratio(bench.network(name, 0))
        manners = {
            "labels": (steps, 0.0, 1.0),
            "labels, equal seconds": (round(steps * ratio), 0.0, 1.0),
        }
        pairs = itertools.product(arguments.weights, arguments.temperatures)
        manners |= {f"a {a:g}, T {t:g}": (steps, a, t) for a, t in pairs}
        for manner, (length, weight, temperature) in manners.items():
            for seed in arguments.seeds:
                start = bench.network(name, seed)
                found, _ = bench.fit(start, length, seed, weight, temperature)
                facts = {"student": name, "manner": manner, "seed": seed, "steps": length}
                facts |= {"parameters": start.architecture.parameters, "ratio": ratio}
                loss, accuracy = bench.score(found)
                yield facts | {"error": 1.0 - accuracy, "loss": loss}


def table(found: list[dict[str, Any]]) -> str:
    """Draw the table: a row for each student, a column for each manner: the mean error."""
    manners = list(dict.fromkeys(run["manner"] for run in found))
    heads = ["student", "parameters", "steps in equal seconds", *manners]
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for name in dict.fromkeys(run["student"] for run in found):
        own = [run for run in found if run["student"] == name]
        cells = [name, f"{own[0]['parameters']:,}", f"{own[0]['ratio']:.2f} ×"]
        for manner in manners:
            errors = [run["error"] for run in own if run["manner"] == manner]
            cells.append(f"{mean(errors):.2%}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Train the teacher and all students, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder that the stage `prepare` wrote")
    parser.add_argument("--teacher", default="chain7", help="a template, 32-64-128, a checkpoint")
    parser.add_argument("--teacher-steps", type=int, default=2000)
    parser.add_argument("--students", nargs="+", default=["4-8-16", "8-16-32", "quarter"])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--images", type=int, help="train on the first so many images only")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.5, 0.9])
    parser.add_argument("--temperatures", type=float, nargs="+", default=[2.0, 4.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--shift", type=int, default=2)
    parser.add_argument("--flip", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("distillation.jsonl"))
    arguments = parser.parse_args()
    compile_kernels()
    bench = Bench(arguments)
    parameters = bench.teacher.architecture.parameters
    error = 1.0 - bench.score(bench.teacher).accuracy
    print(f"teacher {arguments.teacher}: {parameters:,} parameters, error {error:.2%}", flush=True)
    found = []
    for run in runs(bench, arguments):
        found.append(run)
        with open(arguments.out, "a") as file:
            file.write(json.dumps(run) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
