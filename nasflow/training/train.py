"""Training of one network from start to end: pretraining and final training.

The network is the only sibling in the training loop that everything else uses, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from nasflow.config.data import Augment
from nasflow.config.training import Final, Pretrain
from nasflow.network.network import Network, at_rest
from nasflow.training import optim
from nasflow.training.batches import Batches, Split, join, varied
from nasflow.training.duration import Length, Pace, Stopwatch
from nasflow.training.loop import Progress, Step, training_loop
from nasflow.training.resizing import Resized, smaller
from nasflow.training.sibling import Stream
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import FORGETFUL, Keeper
from nasflow.training.teacher import teacher_of
from nasflow.training.training_course import Row, TrainingCourse


class Trained(NamedTuple):
    """The end of a training.

    Attributes:
        network: the trained network, averaged where the stage says so.
        rows: its history, one row for some of its steps.
        facts: steps, epochs, losses in nats and accuracy at the end.
    """

    network: Network
    rows: list[Row]
    facts: Row


class TrainingJob(NamedTuple):
    """How a network is trained.

    Attributes:
        stage: batch size, optimizer, step sizes and the like.
        augment: how training images are varied.
        length: how long the training lasts (`duration.length`).
        purpose: pretrain or final; random numbers are drawn for this purpose.
        seed: the seed of the search.
        workers: threads.
        teacher: in a final training, a trained network that teaches (`training.teacher`).
    """

    stage: Pretrain | Final
    augment: Augment
    length: Length
    purpose: str
    seed: int
    workers: int
    teacher: Network | None = None


def train(
    network: Network,
    data: Split,
    validation: Split,
    job: TrainingJob,
    progress: Progress,
    keeper: Keeper = FORGETFUL,
    elapsed: Callable[[], float] | None = None,
) -> Trained:
    """Train a network along one cosine of the step size, after an optional linear rise.

    Velocities start at zero.

    Args:
        network: what is trained, on the device of the splits; it stays as it is.
        data: the training images, with class weights where losses have them.
        validation: the images that it is evaluated on, and trained on where the stage says so.
        job: how it is trained.
        progress: is told after each step what is done.
        keeper: keeps the state from which an interrupted stage goes on.
        elapsed: tells how many seconds have passed. Only a training whose length is given in
            seconds uses it; its results vary from run to run.

    Returns:
        The trained network, its history and its facts.

    Raises:
        ValueError: if the training loss stops being finite.
    """
    batches, steps = _batches(network, data, validation, job), job.length.steps
    pace = Pace(job.length, elapsed or Stopwatch())
    course = TrainingCourse(job.stage, pace, batches.steps_per_epoch)
    with _siblings(network, data, job) as live:
        if steps == 0:
            course.score = live.evaluate(validation)[0]
        for step in training_loop(
            live,
            [_stream(batches, network, job, course)],
            course.tau,
            course,
            keeper=keeper,
            longest=float("inf") if steps is None else steps,
            more=course.more,
            late=course.late if steps is not None else lambda done: False,
        ):
            _check(step, job)
            course.record(step, live, validation)
            progress(step.number, max(step.number, round(course.total)), course.note(step))
        return Trained(live.averaged(0), course.rows, course.facts())


def _batches(network: Network, data: Split, validation: Split, job: TrainingJob) -> Batches:
    stage, augment = job.stage, job.augment
    final = stage if isinstance(stage, Final) else None
    images = join(data, validation) if final and final.use_validation else data
    batches = varied(images, stage.batch_size, job.purpose, (job.seed,), augment)
    if final is None:
        return batches
    return replace(
        batches,
        cutout=final.cutout,
        alternate=final.alternating_flip,
        mixup=augment.mixup,
        cutmix=augment.cutmix,
        classes=network.architecture.head.width,
    )


def _stream(batches: Batches, network: Network, job: TrainingJob, course: TrainingCourse) -> Stream:
    """Return the batches, with images that are smaller at first where the stage says so."""
    stage = job.stage
    if not isinstance(stage, Final) or stage.resize == 1.0:
        return batches
    seeing = [network, job.teacher] if job.teacher else [network]
    size = smaller([one.architecture for one in seeing], stage.resize)
    if size is None:
        return batches
    return Resized(batches, size, lambda step: step < stage.resize_until * course.total)


def _siblings(network: Network, data: Split, job: TrainingJob) -> Siblings:
    stage = job.stage
    final = stage if isinstance(stage, Final) else None
    return Siblings(
        [at_rest(network)],
        optim.make(stage),
        workers=job.workers,
        shards=stage.shards,
        average=final.weight_average if final else 1,
        label_smoothing=stage.label_smoothing,
        class_weights=data.weights,
        precision=stage.precision,
        teacher=teacher_of(job.teacher, final) if final else None,
    )


def _check(step: Step, job: TrainingJob) -> None:
    loss = float(step.train_loss[0])
    if not np.isfinite(loss):
        raise ValueError(
            f"{job.purpose}.lambda_start: {job.stage.lambda_start}; the loss became {loss} "
            f"at step {step.number}; lower it"
        )
