"""What the search of every peer is given, and what it gives back."""

from __future__ import annotations

from typing import Any, NamedTuple

from benchmarks.peers.meter import Meter
from nasflow.architecture.architecture import Architecture
from nasflow.config.experiment import Experiment
from nasflow.config.training import Final
from nasflow.network.network import Network
from nasflow.training.batches import Split
from nasflow.training.duration import Length
from nasflow.training.duration import length as length_of
from nasflow.training.loop import Progress
from nasflow.training.train import TrainingJob, train


class Options(NamedTuple):
    """The options of peers, which the configuration of an experiment does not have.

    Attributes:
        trial: the epochs of one trial; None for those of pretraining.
        slots: the number of morphisms in the encoding `moves`.
        startup: the number of trials that TPE draws at random.
        pruner: what ends bad trials: `median` or `none`.
        growths: how many times gromo grows its network.
        statistics: the number of batches that gromo looks at for each growth.
    """

    trial: float | None = None
    slots: int = 5
    startup: int = 10
    pruner: str = "median"
    growths: int = 4
    statistics: int = 8


class Bench(NamedTuple):
    """What a search is given.

    Attributes:
        experiment: the configuration.
        options: the options of peers.
        seed: the seed of this search.
        workers: the number of threads.
        data: the training images.
        validation: the validation images.
        base: the first architecture g_0.
        start: the network that the search starts from.
        meter: what may be spent, and what has been spent.
    """

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
    """What a search gives back.

    Attributes:
        network: the network for the final training.
        trained: one row with a fingerprint for each network that was trained.
        lineage: one row for each network that was the best so far.
    """

    network: Network
    trained: list[dict[str, Any]]
    lineage: list[dict[str, Any]]


def stage(experiment: Experiment, epochs: float | None) -> Final:
    """Return the recipe of the final training for another length, without the validation images.

    Args:
        experiment: the configuration.
        epochs: how long the training lasts; None where the caller counts seconds.
    """
    none: dict[str, Any] = dict.fromkeys(("flops", "total_epochs", "total_seconds"))
    return experiment.final.model_copy(update=none | {"epochs": epochs, "use_validation": False})


def stretch(
    bench: Bench,
    network: Network,
    length: float,
    purpose: str,
    progress: Progress,
    unit: str = "epochs",
) -> tuple[Network, float, float]:
    """Train a network by the recipe of the final training, while tau falls along a cosine.

    Args:
        bench: what the search was given.
        network: the network to start from.
        length: how long the training lasts, in `unit`.
        purpose: names the random numbers of the training.
        progress: is called at every step.
        unit: `epochs` or `seconds`.

    Returns:
        The trained network, and its loss and accuracy on the whole validation split.
    """
    if unit == "seconds":
        recipe, lasts = stage(bench.experiment, None), Length(None, length)
    else:
        recipe = stage(bench.experiment, length)
        lasts = length_of(recipe, len(bench.data), network.architecture.flops)
    augment = bench.experiment.augment
    job = TrainingJob(recipe, augment, lasts, purpose, bench.seed, bench.workers)
    trained = train(network, bench.data, bench.validation, job, progress)
    facts: dict[str, Any] = trained.facts
    return trained.network, facts["validation_loss"], facts["validation_accuracy"]


def row(number: int, network: Network, made: str, loss: float, accuracy: float) -> dict[str, Any]:
    """Make a row of the lineage, with the names that the status of a round has."""
    g = network.architecture
    return {
        "round": number,
        "morphism": made,
        "parameters": g.parameters,
        "flops": g.flops,
        "validation_loss": loss,
        "validation_accuracy": accuracy,
    }
