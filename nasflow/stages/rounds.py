"""The stage of one round, of any algorithm, from the checkpoint of its parent."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nasflow.config.base import Base
from nasflow.config.baselines import Baselines
from nasflow.config.budget import Budget
from nasflow.config.compare import algorithm_of
from nasflow.config.data import Augment
from nasflow.config.kinds import BASELINES, PARTICLES, Algorithm
from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.config.section import Plain, plain
from nasflow.search.baselines import steps_wanted
from nasflow.search.budget import cycle_steps, epoch_steps, seconds_needed
from nasflow.search.ends import RoundEnd
from nasflow.search.recipe import LAST, Begin, Sections, entering, round_function, round_setting
from nasflow.search.round import Round, Setting
from nasflow.search.status import NO_TOTALS, round_status, round_totals
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
from nasflow.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from nasflow.storage.files import read_json, write_json
from nasflow.storage.made import MADE, beside, kept, made
from nasflow.storage.manifest import paths
from nasflow.storage.tables import write_table
from nasflow.training.batches import Split
from nasflow.training.ranks import Ranks, joined


class Task(NamedTuple):
    """What determines the result of a round, besides its images and its parent.

    Attributes:
        method: an algorithm or an ablation, such as `nasgd-log`.
        algorithm: the algorithm of the method.
        sections: the sections of the configuration that a round needs.
        search: the section `search`, as the algorithm has it.
        budget: the bounds of the search.
        seed: the seed of the search.
        number: the number of the round, from 1.
        weights: the class weights, by the name of their key; empty where there are none.
    """

    method: str
    algorithm: Algorithm
    sections: Sections
    search: Search
    budget: Budget
    seed: int
    number: int
    weights: dict[str, Plain]

    @property
    def names(self) -> dict[str, str | int]:
        """The facts that tell this round from others."""
        return {"algorithm": self.method, "seed": self.seed, "round": self.number}

    @property
    def title(self) -> str:
        """The name of the round for people."""
        return f"{self.method} seed {self.seed} round {self.number}"


def search_round(
    *,
    config: str,
    algorithm: str,
    data: Path,
    parent: Path,
    budget: str,
    seed: int,
    round: int,
    out: Path,
    device: str,
    threads: int,
    deterministic: bool = False,
) -> None:
    """Run one round from the checkpoint of its parent, on all ranks; the first of them writes.

    Args:
        config: the sections search, baselines, augment and base as JSON; beside them the class
            weights, where there are any.
        algorithm: an algorithm or an ablation, such as `nasgd-log`.
        data: folder of the prepared images.
        parent: stem of the checkpoint to start from.
        budget: the section budget as JSON.
        seed: the seed of the search.
        round: its number in the search, from 1.
        out: folder to write.
        device: cpu, cuda or cuda:N.
        threads: threads of this process.
        deterministic: on a GPU, use only algorithms that give the same bits in each run.
    """
    task = _task(config, algorithm, budget, seed, round)
    wanted = made("search_round", config, _inputs(data, parent), **task.names)
    if kept(out / "status.json", wanted):
        return
    with stage(device, deterministic, [task.search.precision]) as device:
        began = time.monotonic()
        train, validation = read_splits(data, device, sections_of(config))
        before = read_json(parent.with_name("status.json")).get("totals") or NO_TOTALS
        identity = _identity(task, data, parent)
        task = _fitting(task, len(train), len(validation))
        with joined() as ranks, attempt(out, identity, device, ranks) as keeper:
            start = read_checkpoint(parent)
            begin = Begin(task.number, start.k, before, keeper.earlier)
            setting = _setting(task, begin, train, validation, threads, ranks)
            result = _run(task, start, setting, device, keeper)
            if ranks.first:
                with beside(out, "status.json") as new:
                    _write(result, task, before, len(train), new, keeper, began, wanted)
    for trouble in _troubles(result, task, len(train)) if ranks.first else ():
        print(f"nasflow: {task.title}: {trouble}", file=sys.stderr)


def _task(config: str, method: str, budget: str, seed: int, number: int) -> Task:
    raw, algorithm = sections_of(config), algorithm_of(method)
    sections = Sections(
        section(Search, raw, "search"),
        section(Baselines, raw, "baselines"),
        section(Augment, raw, "augment"),
        section(Base, raw, "base"),
    )
    bounds = parse(Budget, json.loads(budget), "budget")
    own = sections.of(algorithm)
    return Task(method, algorithm, sections, own, bounds, seed, number, described(raw))


def _setting(
    task: Task, begin: Begin, train: Split, validation: Split, threads: int, ranks: Ranks
) -> Setting:
    return round_setting(
        task.algorithm,
        task.sections,
        task.budget,
        begin,
        train,
        validation,
        seed=task.seed,
        workers=max(1, threads // ranks.here),
        ranks=ranks,
    )


def _run(task: Task, start: Checkpoint, setting: Setting, device: str, keeper: Attempt) -> Round:
    """Run the round on the device, with a line that tells how it stands."""
    of = f"/{task.budget.rounds}" if task.budget.rounds else ""
    network = entering(start.network, start.optimizer, task.search).to(device)
    with progress(task.title + of, quiet=not setting.ranks.first) as show:
        return round_function(task.algorithm)(network, start.k, setting, show, keeper)


def _fitting(task: Task, train: int, validation: int) -> Task:
    """Lower the batch sizes of a round to the number of images."""
    search = fitting(task.sections.search, "search", train, validation, task.number == 1)
    sections = task.sections._replace(search=search)
    return task._replace(sections=sections, search=sections.of(task.algorithm))


def _identity(task: Task, data: Path, parent: Path) -> dict[str, object]:
    """Return what the result depends on."""
    sections: dict[str, object]
    sections = {name: plain(part) for name, part in task.sections._asdict().items()}
    sections |= task.weights
    read = inputs(*_inputs(data, parent))
    return {"stage": "search_round", **task.names, "config": sections, "inputs": read}


def _inputs(data: Path, parent: Path) -> list[Path]:
    """Return the records that hold the sha256 of what a round reads."""
    return [data / "data.json", paths(parent)[-1]]


def _write(
    result: Round,
    task: Task,
    before: dict[str, float],
    images: int,
    out: Path,
    keeper: Attempt,
    began: float,
    made_from: dict[str, Any],
) -> None:
    """Write the tables, the winner and, last, the status."""
    tables = {
        "particles.parquet": result.particles,
        "architectures.parquet": result.architectures,
    }
    files = {name: write_table(out / name, rows) for name, rows in tables.items()}
    optimizer = task.search.optimizer
    files["winner.json"] = write_checkpoint(out / "winner", result.network, result.k, optimizer)
    cycle, epoch = cycle_steps(task.search, images), epoch_steps(task.search, images)
    last = task.number == LAST.get(task.algorithm)
    totals = round_totals(result, before, task.number, cycle, epoch, last=last)
    taken = time.monotonic() - began + keeper.earlier
    totals["seconds"] += taken
    if task.algorithm in PARTICLES and task.budget.seconds is not None:
        networks = len(result.architectures)
        totals["needed"] = seconds_needed(task.search, networks, result.steps, taken)
    status: dict[str, Any] = round_status(result, task.names) | {"totals": totals}
    status |= {"seconds": taken, "started": keeper.started, MADE: made_from}
    write_json(out / "status.json", status | {"machine": keeper.machine, "files": files})


def _troubles(result: Round, task: Task, images: int) -> Iterator[str]:
    """Yield what a person who reads the result of the round must know, one line each."""
    baseline = task.algorithm in BASELINES
    if result.reason == RoundEnd.DIVERGED:
        section = "baselines" if baseline else "search"
        yield (
            f"all {len(result.architectures)} networks diverged; their parent stays and the search "
            f"ends; lower {section}.lambda_start"
        )
    elif baseline and result.reason != RoundEnd.EXHAUSTED:
        wanted = steps_wanted(task.search, epoch_steps(task.search, images))
        if result.steps < wanted:
            yield (
                f"ended by the budget after {result.steps} of {wanted} steps; give it more of what "
                "budget bounds, or lower baselines.epochs_neigh"
            )
