"""What every peer's search is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.peers.meter import Meter
from nasflow.architecture.architecture import Architecture
from nasflow.config.experiment import Experiment, plain
from nasflow.network.network import Network
from nasflow.training.batches import Split
from nasflow.training.train import train


class Options(NamedTuple):
    """What the configuration of an experiment does not say. `trial` counts epochs (None: those of
    pretraining), `slots` morphisms of the encoding `moves`, `startup` trials that TPE draws at
    random, `statistics` batches that gromo looks at."""

    trial: float | None = None
    slots: int = 5
    startup: int = 10
    pruner: str = "median"
    growths: int = 4
    statistics: int = 8


class Bench(NamedTuple):
    """An experiment, one seed of it, the splits, g_0, the network that the search starts from, and
    what may be spent."""

    experiment: Experiment
    options: Options
    seed: int
    workers: int
    data: Split
    validation: Split
    base: Architecture
    start: Network
    meter: Meter


class Found(NamedTuple):
    """The network for the final training, a row with its fingerprint for each that was trained, and
    a row for each that was the best so far."""

    network: Network
    trained: list[dict[str, Any]]
    lineage: list[dict[str, Any]]


def stage(experiment: Experiment, length: float, unit: str = "epochs") -> dict[str, Any]:
    """The recipe of the final training over so many epochs, or seconds, with the validation images
    left out."""
    none = dict.fromkeys(("flops", "total_epochs", "total_seconds"))
    final: dict[str, Any] = plain(experiment.final)
    return final | none | {"epochs": None, unit: length, "use_validation": False}


def stretch(
    bench: Bench,
    network: Network,
    length: float,
    purpose: str,
    progress: Callable[[int, int, str], None],
    unit: str = "epochs",
) -> tuple[Network, float, float]:
    """The network after a cosine of so many epochs, or seconds; loss and accuracy on the whole
    validation split."""
    trained, _, facts = train(
        network,
        bench.data,
        bench.validation,
        stage(bench.experiment, length, unit),
        plain(bench.experiment.augment),
        purpose=purpose,
        seed=bench.seed,
        workers=bench.workers,
        progress=progress,
    )
    return trained, facts["validation_loss"], facts["validation_accuracy"]


def row(number: int, network: Network, made: str, loss: float, accuracy: float) -> dict[str, Any]:
    """Of the lineage, with the names that a round's status has."""
    g = network.architecture
    return {
        "round": number,
        "morphism": made,
        "parameters": g.parameters,
        "flops": g.flops,
        "validation_loss": loss,
        "validation_accuracy": accuracy,
    }
