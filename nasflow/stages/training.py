"""The stages that train one network: the base network before the search, its winner after it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nasflow.config.base import Base
from nasflow.config.compare import algorithm_of
from nasflow.config.data import Augment
from nasflow.config.kinds import FIXED
from nasflow.config.section import plain
from nasflow.config.training import Final, Pretrain
from nasflow.network.base import first_network
from nasflow.network.network import Network
from nasflow.network.whitening import IMAGES
from nasflow.records.verdict import spoken
from nasflow.search.status import size
from nasflow.stages.progress import progress
from nasflow.stages.stage_inputs import (
    described,
    fitting,
    read_splits,
    section,
    sections_of,
    stage,
)
from nasflow.storage.attempt import Attempt, attempt, inputs
from nasflow.storage.checkpoint import read_checkpoint, write_checkpoint
from nasflow.storage.files import read_json, write_json
from nasflow.storage.made import MADE, beside, kept, made
from nasflow.storage.manifest import paths
from nasflow.storage.splits import read_facts, read_split
from nasflow.storage.tables import write_table
from nasflow.training.duration import Spent, length
from nasflow.training.teacher import check_fits
from nasflow.training.train import Trained, TrainingJob, train
from nasflow.training.training_course import Row


class Task(NamedTuple):
    """What the two stages have in common.

    Attributes:
        name: pretrain or final.
        network: what is trained.
        section: the section of the configuration that says how.
        augment: how training images are varied.
        base: the section `base`, on which the pretraining depends, too; None in final training.
        sections: all sections as plain data, with the class weights where there are any.
        manifests: the files that the network and the images come from.
        spent: what pretraining and search took of a total budget; None without such a budget.
        made: what the result is made from, as the record of the stage says it.
        deterministic: whether a GPU may use only algorithms that give the same bits in each run.
        title: which network it is, where there are several; "" otherwise.
        teacher: the trained network that teaches in a final training; None without one.
    """

    name: str
    network: Network
    section: Pretrain | Final
    augment: Augment
    base: Base | None
    sections: dict[str, Any]
    manifests: Sequence[Path]
    spent: Spent | None
    made: dict[str, Any]
    deterministic: bool
    title: str = ""
    teacher: Network | None = None


def pretrain(
    *,
    config: str,
    algorithm: str,
    data: Path,
    seed: int,
    out: Path,
    device: str,
    threads: int,
    deterministic: bool = False,
) -> None:
    """Train g_0 from random weights, or the network at base.network.

    Args:
        config: the sections base, pretrain and augment as JSON; beside them the class weights,
            where there are any.
        algorithm: an algorithm or an ablation; a fixed network, such as chain6, is its own g_0.
        data: folder of the prepared images.
        seed: the seed of the search.
        out: stem of the checkpoint to write.
        device: cpu, cuda or cuda:N.
        threads: threads of this process.
        deterministic: on a GPU, use only algorithms that give the same bits in each run.
    """
    sections = sections_of(config)
    base = section(Base, sections, "base")
    start = Path(base.network) if base.network and algorithm_of(algorithm) not in FIXED else None
    manifests = [data / "data.json", *([paths(start)[-1]] if start else [])]
    wanted = made("pretrain", config, manifests, algorithm=algorithm, seed=seed)
    if kept(out.with_name("status.json"), wanted):
        return
    facts = read_facts(data)
    image, classes = (facts["channels"], facts["height"], facts["width"]), len(facts["classes"])
    if start is None:
        images = read_split(data, "train", "cpu").chunk(0, IMAGES)[0]
        method = algorithm_of(algorithm)
        network = first_network(method, base, image, classes, seed, images)
    else:
        network = read_checkpoint(start).network
        _check_fits(network, image, classes, str(start))
    own, augment = section(Pretrain, sections, "pretrain"), section(Augment, sections, "augment")
    given = (base, sections, manifests, None, wanted, deterministic)
    task = Task("pretrain", network, own, augment, *given)
    _train_stage(task, data, seed, out, device, threads)


def final_train(
    *,
    config: str,
    data: Path,
    parent: Path,
    seed: int,
    out: Path,
    device: str,
    threads: int,
    deterministic: bool = False,
    front: Path | None = None,
    teacher: Path | None = None,
) -> None:
    """Train the winner, or another network of the front, to convergence from its weights.

    Its length is what `final` sets, or what pretraining and search left of a total budget. The
    networks of a front share what is left. With a teacher and `final.distillation` it learns the
    teacher's probabilities beside the labels.

    Args:
        config: the sections final and augment as JSON; beside them the class weights, where there
            are any, and `front` with the share of the network, where several share a total.
        data: folder of the prepared images.
        parent: stem of the checkpoint of the network.
        seed: the seed of the search.
        out: stem of the checkpoint to write.
        device: cpu, cuda or cuda:N.
        threads: threads of this process.
        deterministic: on a GPU, use only algorithms that give the same bits in each run.
        front: plan.json of the front, where several networks share a total budget.
        teacher: stem of the checkpoint of a trained network that teaches; None without one.

    Raises:
        ValueError: if the teacher takes other images or tells other classes than the winner.
    """
    sections = sections_of(config)
    final, augment = section(Final, sections, "final"), section(Augment, sections, "augment")
    read = [parent, *([teacher] if teacher else [])]
    manifests = [data / "data.json", *(paths(stem)[-1] for stem in read)]
    spent = _spent(final, sections, front or parent.with_name("summary.json"))
    wanted = made("final_train", config, manifests, seed=seed)
    if kept(out.with_name("status.json"), wanted):
        return
    network = read_checkpoint(parent).network
    given = (None, sections, manifests, spent, wanted, deterministic)
    title = f" {out.parent.name}" if out.parent.parent.name == "front" else ""
    taught = _teacher(teacher, network, final)
    task = Task("final", network, final, augment, *given, title, taught)
    _train_stage(task, data, seed, out, device, threads)


def _spent(final: Final, sections: dict[str, Any], record: Path) -> Spent | None:
    """Read what was spent of a total, and the share of what is left; None without a total."""
    if final.total_epochs is None and final.total_seconds is None:
        return None
    share = float(sections.get("front", {}).get("share", 1.0))
    return Spent(**read_json(record)["spent"], share=share)


def _train_stage(task: Task, data: Path, seed: int, out: Path, device: str, threads: int) -> None:
    with stage(device, task.deterministic, [task.section.precision]) as device:
        began = time.monotonic()
        train_split, validation = read_splits(data, device, task.sections)
        images = len(train_split)
        own = fitting(task.section, task.name, images, len(validation))
        if isinstance(own, Final) and own.use_validation:
            images += len(validation)
        teacher = task.teacher.to(device) if task.teacher else None
        more = teacher.architecture.flops if teacher else 0
        lasts = length(own, images, task.network.architecture.flops, task.spent, more)
        with attempt(out.parent, _identity(task, lasts, seed), device) as keeper:
            with progress(f"{task.name} seed {seed}{task.title}") as show:
                trained = train(
                    task.network.to(device),
                    train_split,
                    validation,
                    TrainingJob(own, task.augment, lasts, task.name, seed, threads, teacher),
                    show,
                    keeper,
                    elapsed=lambda: keeper.seconds,
                )
            with beside(out.parent, "status.json") as new:
                _write(trained, task, seed, new / out.name, keeper, began)


def _identity(task: Task, lasts: object, seed: int) -> dict[str, object]:
    """Return what the result depends on."""
    sections = {
        task.name: plain(task.section),
        "augment": plain(task.augment),
        "base": plain(task.base) if task.base else None,
        **described(task.sections),
    }
    read = inputs(*task.manifests)
    return {"stage": task.name, "seed": seed, "config": sections, "length": lasts, "inputs": read}


def _write(
    trained: Trained, task: Task, seed: int, out: Path, keeper: Attempt, began: float
) -> None:
    manifest = write_checkpoint(out, trained.network, 0, task.section.optimizer)
    history = write_table(out.with_name("history.parquet"), trained.rows)
    seconds = time.monotonic() - began + keeper.earlier
    status = {
        "schema": 1,
        "stage": task.name,
        "seed": seed,
        **trained.facts,
        **_saved(trained.facts, seconds),
        **size(trained.network.architecture),
        **({"teacher": task.teacher.architecture.fingerprint} if task.teacher else {}),
        "seconds": seconds,
        "started": keeper.started,
        "machine": keeper.machine,
        MADE: task.made,
        "files": {"history.parquet": history, f"{out.name}.json": manifest},
    }
    write_json(out.with_name("status.json"), status)


def _saved(facts: Row, seconds: float) -> Row:
    """Return the seconds that a plateau saved, at the speed of the whole training, and tell them.

    Nothing is returned where there was no plateau.
    """
    if not facts.get("saved_steps"):
        return {}
    steps, saved = int(facts["steps"] or 1), int(facts["saved_steps"] or 0)
    epoch, rest = float(facts["plateau_epoch"] or 0.0), seconds * saved / steps
    print(
        f"nasflow: final.patience: plateau at epoch {epoch:.3g}; ended after {steps:,} of "
        f"{steps + saved:,} steps, which saved about {spoken(rest)}",
        file=sys.stderr,
    )
    return {"saved_seconds": rest}


def _teacher(stem: Path | None, student: Network, final: Final) -> Network | None:
    """Read the network that teaches, or say why there is none although something asks for one."""
    if stem is None or final.distillation == 0.0:
        if final.distillation > 0.0:
            _say(f"final.distillation: {final.distillation:g}; without a teacher, by labels alone")
        elif stem is not None:
            _say(f"final.distillation: 0; --teacher {stem} is not used")
        return None
    found = read_checkpoint(stem).network
    check_fits(found, student, f"--teacher: {stem}")
    _say(
        f"final.distillation: {final.distillation:g}; the teacher is {stem}"
        f" ({found.architecture.parameters:,} parameters)"
    )
    return found


def _say(line: str) -> None:
    print(f"nasflow: {line}", file=sys.stderr)


def _check_fits(network: Network, image: tuple[int, int, int], classes: int, where: str) -> None:
    g = network.architecture
    wanted, found = (image, classes), ((g.image.width, *g.size), g.head.width)
    if wanted != found:
        raise ValueError(
            f"base.network: {where} takes (channels, height, width), classes {found}; "
            f"the data has {wanted}"
        )
