"""A search on arrays, in memory: what the stages of the pipeline compute, without files.

The same config and seed give the same networks as the pipeline does on the same splits. Nothing is
kept: for hours of search take the pipeline, which goes on after a crash.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from nasflow.architecture.architecture import chain
from nasflow.config.experiment import Experiment, parse, plain
from nasflow.data.datasets import FRACTIONS, Splits, describe, stratified
from nasflow.network.network import Network, at_rest, forward, initialise
from nasflow.randomness import generator
from nasflow.search import allowance, baselines
from nasflow.search import budget as policy
from nasflow.search.particle_round import run_round
from nasflow.search.round import Limits, Progress, Round, Setting
from nasflow.search.status import NO_TOTALS, round_status
from nasflow.training.batches import Split
from nasflow.training.train import Row, train

Json = dict[str, Any]
CHUNK = 250


class Found(NamedTuple):
    """A search's end. `base` is g_0 after its pretraining, `winner` the last round's network,
    `network` the winner trained to convergence; `lineage` has the status of every round, as
    status.json has it; `history` and `done` are rows and facts of the final training. `train` and
    `validation` are the splits, `facts` what data.json would say of them, `classes` too."""

    base: Network
    rounds: list[Round]
    lineage: list[Json]
    winner: Network
    network: Network
    history: list[Row]
    done: Json
    train: Split
    validation: Split
    facts: Json

    def probabilities(self, images: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Of the classes, (n, classes), for images uint8 (n, H, W) or (n, H, W, C)."""
        pixels = torch.from_numpy(_pixels(images)).to(self.train.mean.device)
        g, x, buffers, _ = self.network
        with torch.no_grad():
            parts = [
                forward(g, x, buffers, self.train.normalise(part), training=False).softmax(1)
                for part in torch.split(pixels, CHUNK)
            ]
        result: npt.NDArray[np.float32] = torch.cat(parts).cpu().numpy()
        return result

    def predict(self, images: npt.ArrayLike) -> npt.NDArray[Any]:
        """The likeliest class of each image, (n,)."""
        likeliest: npt.NDArray[Any] = np.asarray(self.facts["classes"])[
            self.probabilities(images).argmax(1)
        ]
        return likeliest

    def score(self, images: npt.ArrayLike, labels: npt.ArrayLike) -> float:
        """Share of the images that are classified rightly."""
        return float(np.mean(self.predict(images) == np.asarray(labels)))


def run_search(
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    algorithm: str | Callable[..., Round] = "nasgd",
    seed: int = 0,
    start: Network | None = None,
    threads: int = 1,
    progress: Progress = lambda done, of, note: None,
    **sections: Any,
) -> Found:
    """Pretraining, rounds and final training on images uint8 (n, H, W) or (n, H, W, C) and labels
    (n,), of which a stratified part is held out for validation.

    `sections` are those of a config file, `search={"n_neigh": 4}, budget={"rounds": 2}` (default:
    three rounds); an unknown key or a wrong value is a ValueError. `algorithm` is a name, or a
    function like `run_round`. `start` replaces the base net. `progress` is called after every step
    with (done, of, note)."""
    named = algorithm if isinstance(algorithm, str) else "nasgd"
    given = {"algorithms": [named], "seeds": [seed], "budget": {"rounds": 3}, **sections}
    experiment: Experiment = parse(Experiment, given)
    data, validation, facts = _splits(images, labels, experiment)
    _check_batches(experiment, len(data), len(validation))
    began = time.monotonic()
    network = start or _base(experiment, data, len(facts["classes"]), seed)
    options = {"seed": seed, "workers": threads, "progress": progress}
    base, _, before = _trained("pretrain", network, experiment, data, validation, options)
    run = algorithm if callable(algorithm) else baselines.ROUNDS.get(named, run_round)
    rounds, lineage, winner = [], [], base
    if policy.rounds_wanted(named, experiment.budget):
        for result, status in _rounds(run, named, base, experiment, data, validation, options):
            rounds.append(result)
            lineage.append(status)
            winner = result.network
    spent = {
        "epochs": before["epochs"] + (lineage[-1]["totals"]["network_epochs"] if lineage else 0.0),
        "seconds": time.monotonic() - began,
    }
    network, history, done = _trained("final", winner, experiment, data, validation, options, spent)
    return Found(base, rounds, lineage, winner, network, history, done, data, validation, facts)


def _rounds(
    run: Callable[..., Round],
    algorithm: str,
    base: Network,
    experiment: Experiment,
    data: Split,
    validation: Split,
    options: Json,
) -> Iterator[tuple[Round, Json]]:
    """Rounds with their statuses, until the budget or the children end."""
    search, budget = plain(experiment.search), experiment.budget
    if algorithm in baselines.ROUNDS:
        search |= plain(experiment.baselines)
    epoch = len(data) // search["batch_size"]
    cycle = search["epochs_neigh"] * epoch
    network, k, totals = base, 0, NO_TOTALS
    if experiment.pretrain.optimizer != search["optimizer"]:
        network = at_rest(base)
    for number in itertools.count(1):
        began = time.monotonic()
        setting = Setting(
            algorithm,
            search,
            plain(experiment.augment),
            data,
            validation,
            seed=options["seed"],
            number=number,
            workers=options["workers"],
            limits=Limits(
                policy.steps_left(budget, k, cycle, epoch),
                policy.network_steps_left(budget, totals["network_epochs"], epoch),
                (budget.seconds or float("inf")) - totals["seconds"],
            ),
        )
        result = run(network, k, setting, options["progress"])
        names = {"algorithm": algorithm, "seed": options["seed"], "round": number}
        status = round_status(result, totals, names, cycle, epoch)
        status["totals"]["seconds"] = totals["seconds"] + time.monotonic() - began
        network, k, totals = result.network, result.k, status["totals"]
        yield result, status
        if policy.finished(budget, totals):
            return


def _trained(
    name: str,
    network: Network,
    experiment: Experiment,
    data: Split,
    validation: Split,
    options: Json,
    spent: Json | None = None,
) -> tuple[Network, list[Row], Json]:
    """`spent`: by pretraining and search, of the final training's total."""
    stage, augment = plain(getattr(experiment, name)), plain(experiment.augment)
    if spent and (stage["total_epochs"] is not None or stage["total_seconds"] is not None):
        images = len(data) + len(validation) * stage["use_validation"]
        stage = allowance.left(stage, spent, images)
    return train(network, data, validation, stage, augment, purpose=name, **options)


def _base(experiment: Experiment, data: Split, classes: int, seed: int) -> Network:
    """g_0 with random weights."""
    base = experiment.base
    head = "flat_head" if base.head == "flatten" else "head"
    _, height, width, channels = data.images.shape
    g = chain(tuple(base.widths), base.kernel, (channels, height, width), classes, head)
    return initialise(g, generator("init", seed)).to(data.images.device)


def _splits(
    images: npt.ArrayLike, labels: npt.ArrayLike, experiment: Experiment
) -> tuple[Split, Split, Json]:
    """Train and validation on the experiment's device, drawn as `prepare` does, and their facts."""
    pixels, data = _pixels(images), experiment.data
    classes, numbers = np.unique(np.asarray(labels), return_inverse=True)
    if numbers.shape != (len(pixels),):
        raise ValueError(f"labels: {numbers.shape}; expected one for each of {len(pixels)} images")
    key = "validation_fraction"
    rng = generator("split", data.split_seed, FRACTIONS.index(key))
    held = stratified(numbers, data.validation_fraction, rng)
    if not held.any():
        raise ValueError(
            f"data.{key}: {data.validation_fraction} of {len(pixels)} images is none; raise it"
        )
    parts = [(pixels[rows], numbers[rows].astype(np.int64)) for rows in (~held, held, held[:0])]
    facts = describe(Splits("arrays", tuple(classes.tolist()), *parts[0], *parts[1], *parts[2]))
    mean, std = (torch.tensor(facts[name], dtype=torch.float32) for name in ("mean", "std"))
    train, validation = (
        Split(torch.from_numpy(part), torch.from_numpy(own), mean, std).to(experiment.device)
        for part, own in parts[:2]
    )
    return train, validation, facts


def _check_batches(experiment: Experiment, images: int, held: int) -> None:
    for section, name, count in (
        ("pretrain", "batch_size", images),
        ("search", "batch_size", images),
        ("search", "validation_batch_size", held),
        ("final", "batch_size", images),
    ):
        size = getattr(getattr(experiment, section), name)
        if size > count:
            raise ValueError(
                f"{section}.{name}: {size}; expected at most the {count} images there are"
            )


def _pixels(images: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """(n, H, W, C)."""
    pixels = np.asarray(images)
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
        raise ValueError(
            f"images: {pixels.dtype} {pixels.shape}; expected uint8 (n, height, width) or "
            "(n, height, width, channels), 0 to 255"
        )
    return np.ascontiguousarray(pixels if pixels.ndim == 4 else pixels[..., None])
