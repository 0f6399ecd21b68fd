"""Does a gradient tell, before any training, which child of a network is worth its time?

    python benchmarks/screen.py results/E/A/seed_0/search/round_1/winner results/E/data --seconds 60

Every compound morphism that makes a network larger makes one child for each of its sites.
A batch gives the rate at which the loss of each child falls (`proposal: gradient` keeps the
steepest). Then every child, and the network without a change, is trained to the end for the same
seconds, with a step size that falls to zero, and is measured on the validation images, which the
training never sees. A screen is worth having if its numbers rank the children as their losses at
the end do.

The time of a step is measured once for each network, before, and `--seconds` are turned into steps
by it. Let nothing else run meanwhile: other programs slow the steps of large networks most.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nasflow.config.data import Augment
from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.config.training import Final
from nasflow.network.network import Network
from nasflow.randomness import generator
from nasflow.search.neighbourhood import sample
from nasflow.search.proposal import descent_rate
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.splits import read_split
from nasflow.training import optim
from nasflow.training.batches import Batches, Split, varied
from nasflow.training.duration import Length
from nasflow.training.siblings import Siblings
from nasflow.training.train import TrainingJob, train

CHILDREN = 64  # more than there are
TIMED = 12  # steps that are timed, after WARM others
WARM = 3
BATCH = 256  # images that give the gradient
SEARCH = {"moves": "compound", "constraints": {"max_conv_layers": 40, "max_inputs": 16}}
FINAL = {
    "epochs": 1.0,
    "optimizer": "muon",
    "lambda_start": 0.1,
    "momentum": 0.6,
    "precision": "bfloat16",
    "schedule": "linear",
    "warmup": 0.05,
    "weight_decay": 5e-4,
    "label_smoothing": 0.1,
    "shards": 1,
}


class Candidate(NamedTuple):
    """A network, and what is known of it before it is trained.

    Attributes:
        name: the morphism that made it, or "no change".
        network: its weights.
        rate: nats per unit of time by which its loss falls along the gradient flow.
        cost: seconds of a training step.
    """

    name: str
    network: Network
    rate: float
    cost: float


def candidates(parent: Network, data: Split, stage: Final, augment: Augment) -> list[Candidate]:
    """Make the children of a network, and measure what they promise and what they cost."""
    search = parse(Search, SEARCH, "search")
    drawn = sample(
        parent,
        CHILDREN,
        morphisms=search.drawn,
        constraints=search.constraints,
        rng=generator("screen", 0),
    )
    named = [("no change", parent)]
    for child in drawn:
        (kind,) = child.morphisms
        again = sum(name.split()[0] == kind for name, _ in named)
        named.append((f"{kind} ({again + 1})" if again else kind, child.network))
    batch = varied(data, min(BATCH, len(data)), "screen", (0,), augment)(0)
    timed = varied(data, stage.batch_size, "screen", (1,), augment)
    return [
        Candidate(name, network, descent_rate(network, *batch), cost(network, timed, stage))
        for name, network in named
    ]


def cost(network: Network, batches: Batches, stage: Final) -> float:
    """Measure the seconds of one core that a training step takes (the fastest of TIMED)."""
    with Siblings([network], optim.make(stage), precision=stage.precision) as live:
        taken = []
        for j in range(WARM + TIMED):
            began = time.process_time()
            live.step([batches(j)], None, 1e-4)
            taken.append(time.process_time() - began)
    return min(taken[WARM:])


def measure(
    one: Candidate,
    data: Split,
    validation: Split,
    stage: Final,
    augment: Augment,
    seconds: float,
    seed: int,
) -> dict[str, Any]:
    """Train a candidate to the end, and measure it on the validation images."""
    length = Length(max(1, round(seconds / one.cost)), None)
    job = TrainingJob(stage, augment, length, purpose="final", seed=seed, workers=1)
    facts: dict[str, Any] = train(one.network, data, validation, job, lambda *_: None).facts
    return {
        "child": one.name,
        "seed": seed,
        "rate": one.rate,
        "cost": one.cost,
        "steps": length.steps,
        "error": 1.0 - facts["validation_accuracy"],
        "loss": facts["validation_loss"],
    }


def agreement(score: np.ndarray, losses: np.ndarray) -> float:
    """Spearman's rank correlation of a score, where more is better, with losses.

    It is 1 where the score ranks as the losses do, and 0 where it tells nothing."""
    ranks = [np.argsort(np.argsort(values)) for values in (-score, losses)]
    return float(np.corrcoef(*ranks)[0, 1])


def told(runs: list[dict[str, Any]]) -> str:
    """The tables of all runs, as Markdown."""
    names = list(dict.fromkeys(run["child"] for run in runs))
    of = {name: [run for run in runs if run["child"] == name] for name in names}
    mean = {
        key: np.array([np.mean([run[key] for run in of[name]]) for name in names])
        for key in ("rate", "cost", "steps", "error", "loss")
    }
    lines = ["| child | ms a step | steps | rate | error | loss |", "| --- |" + " ---: |" * 5]
    for i in np.argsort(mean["loss"]):
        lines.append(
            f"| {names[i]} | {1e3 * mean['cost'][i]:.0f} | {mean['steps'][i]:.0f} "
            f"| {mean['rate'][i]:.3g} | {mean['error'][i]:.2%} | {mean['loss'][i]:.4f} |"
        )
    loss, rate, cost = (mean[key][1:] for key in ("loss", "rate", "cost"))
    scores = {"rate": rate, "rate / cost": rate / cost, "1 / cost": 1.0 / cost}
    lines += ["", "| score | rank correlation with the loss at the end |", "| --- | ---: |"]
    lines += [f"| {name} | {agreement(score, loss):+.2f} |" for name, score in scores.items()]
    return "\n".join(lines)


def main() -> None:
    """Train all candidates in turn for every seed, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path, help="the checkpoint, without its ending")
    parser.add_argument("data", type=Path, help="the folder that the stage `prepare` wrote")
    parser.add_argument("--seconds", type=float, default=60.0, help="of training, for each child")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", help="names of children, such as 'no change'")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--flip", action="store_true", help="mirror the training images")
    parser.add_argument("--shift", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("screen.jsonl"))
    arguments = parser.parse_args()
    augment = Augment(flip=arguments.flip, shift=arguments.shift)
    more = {"batch_size": arguments.batch_size, "alternating_flip": arguments.flip}
    stage = parse(Final, FINAL | more, "final")
    parent = read_checkpoint(arguments.network).network
    data, validation = (read_split(arguments.data, part, "cpu") for part in ("train", "validation"))
    runs = []
    known = candidates(parent, data, stage, augment)
    known = [one for one in known if not arguments.only or one.name in arguments.only]
    for seed in arguments.seeds:
        for one in known:
            run = measure(one, data, validation, stage, augment, arguments.seconds, seed)
            runs.append(run)
            with open(arguments.out, "a") as file:
                file.write(json.dumps(run) + "\n")
    print(told(runs))


if __name__ == "__main__":
    main()
