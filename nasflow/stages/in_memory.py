"""A search on arrays, in memory: what the stages of the pipeline compute, without files.

The same configuration and seed give the same networks as the pipeline does on the same splits.
No file is written before `Found.save`: for a search of hours use the pipeline, which goes on after
a crash. What a search changes in the process of the user is as before when it is over (module
`training.process`).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy.typing as npt

from nasflow.config.batch_sizes import fitted_experiment
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import PARTICLES, Algorithm
from nasflow.config.reading import parse
from nasflow.config.training import Final, Pretrain
from nasflow.deployment.latency_table import LatencyTable
from nasflow.network.base import first_network
from nasflow.network.network import Network
from nasflow.network.whitening import IMAGES
from nasflow.search.bounds import refuse
from nasflow.search.budget import cycle_steps, epoch_steps, finished, rounds_wanted, seconds_needed
from nasflow.search.recipe import LAST, Begin, Sections, entering, round_function, round_setting
from nasflow.search.round import Round
from nasflow.search.status import NO_TOTALS, round_status, round_totals
from nasflow.stages.arrays import Images, split_arrays
from nasflow.stages.found import Found, Json
from nasflow.stages.latency import given_table
from nasflow.training.duration import Spent, length
from nasflow.training.loop import Progress
from nasflow.training.process import on_device, one_thread
from nasflow.training.ranks import own_device
from nasflow.training.teacher import check_fits, check_wanted
from nasflow.training.train import Trained, TrainingJob, train


class Task(NamedTuple):
    """What all parts of a search have in common.

    Attributes:
        experiment: the configuration.
        algorithm: the algorithm of the rounds.
        images: the images, split.
        seed: the seed of the search.
        workers: threads.
        progress: is told after each step what is done.
        latency: predicts how long networks take; None where no round needs to know it.
        teacher: the network that teaches in the final training; None without one.
    """

    experiment: Experiment
    algorithm: Algorithm
    images: Images
    seed: int
    workers: int
    progress: Progress
    teacher: Network | None = None
    latency: LatencyTable | None = None


def run_search(
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    algorithm: str | Callable[..., Round] = "nasgd",
    seed: int = 0,
    start: Network | None = None,
    teacher: Network | None = None,
    threads: int = 1,
    progress: Progress = lambda done, of, note: None,
    **sections: Any,
) -> Found:
    """Search a network for images: pretraining, rounds and final training.

    Args:
        images: uint8 (n, height, width) or (n, height, width, channels); a stratified part of them
            is held out for validation.
        labels: one label of any type for each image, (n,).
        algorithm: a name such as nasagd, or a function like `run_round`.
        seed: the seed of the search.
        start: replaces the base network.
        teacher: a trained network whose probabilities the final training learns beside the labels,
            with the weight `final.distillation`.
        threads: cores to use.
        progress: is called after every step with the steps done, the steps in all and a few words.
        sections: those of a configuration file, such as search={"n_neigh": 4}; by default the
            budget is three rounds.

    Raises:
        ValueError: if a key, a value, the device or the teacher is wrong, with one line for each.
    """
    named = algorithm if isinstance(algorithm, str) else "nasgd"
    experiment = _experiment({"algorithms": [named], "seeds": [seed]} | sections, teacher)
    with one_thread(), _device(experiment) as device:
        found = split_arrays(images, labels, experiment.model_copy(update={"device": device}))
        experiment, _ = fitted_experiment(experiment, len(found.train), len(found.validation))
        task = Task(experiment, Algorithm(named), found, seed, threads, progress, teacher)
        task = _timed(task)
        began = time.monotonic()
        first = _first(task, start).to(device)
        base = _trained("pretrain", experiment.pretrain, first, task)
        run = algorithm if callable(algorithm) else None
        made = list(_rounds(run, base.network, task))
        rounds, lineage = [result for result, _ in made], [status for _, status in made]
        winner = rounds[-1].network if rounds else base.network
        spent = Spent(_epochs(base, lineage), time.monotonic() - began)
        final = _trained("final", experiment.final, winner, task, spent)
        seconds = time.monotonic() - began
    return Found(base.network, rounds, lineage, winner, *final, *found, experiment, seconds)


def _experiment(sections: Mapping[str, Any], teacher: Network | None) -> Experiment:
    """Read the configuration, and refuse what a search in memory cannot do."""
    experiment = parse(Experiment, {"budget": {"rounds": 3}, **sections})
    check_wanted(teacher, experiment.final)
    if experiment.final.front > 1:
        raise ValueError(
            f"final.front: {experiment.final.front}; expected 1, since a search in memory trains"
            " the found network alone; the pipeline trains a front (nasflow fit, snakemake)"
        )
    if experiment.prune.rounds:
        raise ValueError(
            f"prune.rounds: {experiment.prune.rounds}; expected 0, since a search in memory ends"
            " with the found network; the pipeline makes prune rounds (nasflow fit, snakemake)"
        )
    return experiment


@contextmanager
def _device(experiment: Experiment) -> Iterator[str]:
    """Prepare this process for the device of an experiment, and yield its name."""
    sections = experiment.pretrain, experiment.search, experiment.final
    own, precisions = own_device(experiment.device), {part.precision for part in sections}
    with on_device(own, deterministic=experiment.deterministic, precisions=precisions):
        yield own


def _first(task: Task, start: Network | None) -> Network:
    """Return the network that the search begins with, and check its bounds and the teacher."""
    first = start or _base(task)
    if rounds_wanted(task.algorithm, task.experiment.budget):
        refuse(first.architecture, task.experiment.search, table=task.latency)
    if task.teacher is not None:
        check_fits(task.teacher, first, "teacher")
    return first


def _epochs(base: Trained, lineage: list[Json]) -> float:
    """Return the passes over the training images in pretraining and search."""
    passes = lineage[-1]["totals"]["network_epochs"] if lineage else 0.0
    return float(base.facts["epochs"] or 0.0) + passes


def _base(task: Task) -> Network:
    """Make the first network with random weights."""
    image, classes = _shape(task.images)
    return first_network(
        task.algorithm,
        task.experiment.base,
        image,
        classes,
        task.seed,
        task.images.train.chunk(0, IMAGES)[0].cpu(),
    )


def _timed(task: Task) -> Task:
    """Return the task with the table of latencies that its rounds need."""
    return task._replace(latency=given_table(task.experiment.search, *_shape(task.images)))


def _shape(images: Images) -> tuple[tuple[int, int, int], int]:
    """Return (channels, height, width) of an image, and the number of classes."""
    _, height, width, channels = images.train.images.shape
    return (channels, height, width), len(images.facts["classes"])


def _rounds(
    run: Callable[..., Round] | None, base: Network, task: Task
) -> Iterator[tuple[Round, Json]]:
    """Yield rounds with their statuses, until the budget is spent or no child is possible."""
    experiment, budget = task.experiment, task.experiment.budget
    if not rounds_wanted(task.algorithm, budget):
        return
    sections = Sections(
        experiment.search, experiment.baselines, experiment.augment, experiment.base
    )
    search, images = sections.of(task.algorithm), len(task.images.train)
    cycle, epoch = cycle_steps(search, images), epoch_steps(search, images)
    network, k, totals = entering(base, experiment.pretrain.optimizer, search), 0, NO_TOTALS
    for number in itertools.count(1):
        began = time.monotonic()
        setting = round_setting(
            task.algorithm,
            sections,
            budget,
            Begin(number, k, totals),
            task.images.train,
            task.images.validation,
            seed=task.seed,
            workers=task.workers,
            latency=task.latency,
        )
        result = (run or round_function(task.algorithm))(network, k, setting, task.progress)
        last = number == LAST.get(task.algorithm)
        totals = round_totals(result, totals, number, cycle, epoch, last=last)
        taken = time.monotonic() - began
        totals["seconds"] += taken
        if task.algorithm in PARTICLES and budget.seconds is not None:
            networks = len(result.architectures)
            totals["needed"] = seconds_needed(search, networks, result.steps, taken)
        names = {"algorithm": task.algorithm.value, "seed": task.seed, "round": number}
        network, k = result.network, result.k
        yield result, {**round_status(result, names), "totals": totals}
        if finished(budget, totals):
            return


def _trained(
    name: str,
    section: Pretrain | Final,
    network: Network,
    task: Task,
    spent: Spent | None = None,
) -> Trained:
    """Train a network; `spent` is what pretraining and search took of the total budget."""
    data, validation, _ = task.images
    images = len(data)
    if isinstance(section, Final) and section.use_validation:
        images += len(validation)
    teacher = task.teacher.to(data.images.device) if task.teacher and name == "final" else None
    more = teacher.architecture.flops if teacher else 0
    lasts = length(section, images, network.architecture.flops, spent, more)
    augment, workers = task.experiment.augment, task.workers
    job = TrainingJob(section, augment, lasts, name, task.seed, workers, teacher)
    return train(network, data, validation, job, task.progress)
