"""The stage of one round, of any algorithm, from the checkpoint of its parent.

Its process may go on with the rounds after it: it has loaded torch, and the images are on the
device. What it computes then are the results that the jobs of these rounds would write.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from nasflow.config.kinds import BASELINES, PARTICLES
from nasflow.printable import printable
from nasflow.search.baselines import steps_wanted
from nasflow.search.bounds import too_large
from nasflow.search.budget import cycle_steps, epoch_steps, finished, seconds_needed
from nasflow.search.ends import RoundEnd
from nasflow.search.recipe import LAST, Begin, entering, round_function, round_setting
from nasflow.search.round import Round, Setting
from nasflow.search.status import round_status, round_totals
from nasflow.stages.finished_round import is_finished, round_made
from nasflow.stages.latency import table_of_experiment
from nasflow.stages.progress import progress
from nasflow.stages.round_task import Task, fitted_task, identity, round_task
from nasflow.stages.stage_inputs import read_splits, sections_of, stage
from nasflow.storage.ahead import AHEAD, RECORD, ahead, discard, fits
from nasflow.storage.attempt import Attempt, attempt
from nasflow.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from nasflow.storage.files import read_json, write_json
from nasflow.storage.interruption import Interruption, interruption
from nasflow.storage.made import MADE, beside, complete, forced
from nasflow.storage.tables import write_table
from nasflow.training.batches import Split
from nasflow.training.ranks import Ranks, joined


class Here(NamedTuple):
    """What the rounds of one process have in common.

    Attributes:
        config: the sections of the configuration as JSON.
        budget: the section budget as JSON.
        data: folder of the prepared images.
        train: the training images, on the device.
        validation: the validation images, on the device.
        device: the device of this rank.
        threads: threads of this process.
        ranks: the processes that share each round.
    """

    config: str
    budget: str
    data: Path
    train: Split
    validation: Split
    device: str
    threads: int
    ranks: Ranks


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
    rounds_per_job: int = 1,
) -> None:
    """Run one round from the checkpoint of its parent, and those after it where this is wanted.

    It runs on every rank that nasflow.stages.launch started; the first one writes.

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
        rounds_per_job: the number of rounds that this process computes, as long as the search goes
            on. The results after the first one wait for their own jobs (`nasflow.storage.ahead`).
            It is 1 where the user forces stages to run, and outside of the workflow.
    """
    task = round_task(config, algorithm, budget, seed, round)
    asked: dict[str, Any] = {"config": config, "algorithm": algorithm, "data": data}
    asked |= {"parent": parent, "budget": budget, "seed": seed, "round": round, "out": out}
    with stage(device, deterministic, [task.search.precision]) as device, joined() as ranks:
        if _is_finished(asked, ranks):
            return
        began = time.monotonic()
        images = read_splits(data, device, sections_of(config))
        here = Here(config, budget, data, *images, device, threads, ranks)
        with interruption() as signals:
            one_round(task, parent, out, here, began, beside(out, RECORD))
            if not forced():
                _go_on(task, out, here, rounds_per_job, signals)


def _is_finished(asked: dict[str, Any], ranks: Ranks) -> bool:
    """Return True where a round has its result; otherwise nothing waits in its folder any more.

    The first rank decides, because it may move the result while the others would look at it.
    """
    finished = ranks.first and is_finished(**asked)
    if ranks.first and not finished:
        discard(asked["out"])  # it is still there where the user forces the round to run
    return bool(ranks.agree(float(finished))[0])


def one_round(
    task: Task,
    parent: Path,
    out: Path,
    here: Here,
    began: float,
    place: AbstractContextManager[Path],
) -> None:
    """Run a round whose folder is `out`; the first rank writes its files to a new folder.

    Args:
        task: what determines the round.
        parent: stem of the checkpoint to start from.
        out: the folder of the round.
        here: what the rounds of this process have in common.
        began: when the seconds of the round began.
        place: makes the folder to write to, and moves it where it belongs when it is complete.
    """
    train, validation, ranks = here.train, here.validation, here.ranks
    own = (task.method, here.data, parent, task.seed, task.number, task.stage)
    wanted, before = round_made(here.config, *own), task.totals(parent)
    key = identity(task, here.data, parent)
    task = fitted_task(task, len(train), len(validation))
    with attempt(out, key, here.device, ranks) as keeper:
        start = read_checkpoint(parent)
        begin = Begin(task.number, start.k, before, keeper.earlier)
        setting = _setting(task, begin, here)
        left_out = list(_left_out(start, setting))
        result = _run(task, start, setting, here.device, keeper)
        if ranks.first:
            with place as new:
                _write(result, task, before, len(train), new, keeper, began, wanted)
    troubles = (*left_out, *_troubles(result, task, len(train)))
    for trouble in troubles if ranks.first else ():
        print(f"nasflow: {task.title}: {trouble}", file=sys.stderr)


def _go_on(task: Task, out: Path, here: Here, rounds: int, signals: Interruption) -> None:
    """Compute the rounds after a finished one ahead, in this process.

    Whatever ends this early is no fault of the finished round. The job of the next round goes on
    from the state that was kept, or meets the same error by itself.

    Args:
        task: the finished round.
        out: its folder.
        here: what the rounds of this process have in common.
        rounds: the number of rounds of this process, with the finished one.
        signals: tells whether a signal has come, which ends this after a step.
    """
    parent = out / "winner"
    for number in range(task.number + 1, task.number + rounds):
        task, out = task._replace(number=number), out.with_name(f"round_{number}")
        try:
            ends = here.ranks.first and _is_needless(task, parent, out, here)
            if any(here.ranks.agree(signals.number, float(ends))):
                return
            gc.collect()  # what is left of the networks of the round before
            place = ahead(out, json.loads(here.budget))
            one_round(task, parent, out, here, time.monotonic(), place)
        except Exception as error:
            _say_why(task, error, here.ranks)
            return
        parent = out / AHEAD / "winner"


def _is_needless(task: Task, parent: Path, out: Path, here: Here) -> bool:
    """Return True where a round is not wanted after its parent, or its result is there or waits."""
    if finished(task.budget, read_json(parent.with_name(RECORD))["totals"]):
        return True
    wanted = round_made(here.config, task.method, here.data, parent, task.seed, task.number)
    return complete(out / RECORD, wanted) or fits(out, wanted, json.loads(here.budget))


def _say_why(task: Task, error: Exception, ranks: Ranks) -> None:
    """Print why a round was not computed ahead, in one line."""
    why = (str(error).splitlines() or [type(error).__name__])[0]
    line = f"nasflow: {task.title}: not computed ahead: {why}"
    if ranks.first:
        print(printable(line), file=sys.stderr)


def _setting(task: Task, begin: Begin, here: Here) -> Setting:
    return round_setting(
        task.algorithm,
        task.sections,
        task.budget,
        begin,
        here.train,
        here.validation,
        seed=task.seed,
        workers=max(1, here.threads // here.ranks.here),
        ranks=here.ranks,
        latency=table_of_experiment(task.search, here.data),
    )


def _run(task: Task, start: Checkpoint, setting: Setting, device: str, keeper: Attempt) -> Round:
    """Run the round on the device, with a line that tells how it stands."""
    network = entering(start.network, start.optimizer, task.search).to(device)
    with progress(task.title + task.of, quiet=not setting.ranks.first) as show:
        return round_function(task.algorithm)(network, start.k, setting, show, keeper)


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
    status: dict[str, Any] = round_status(result, task.names, task.stage) | {"totals": totals}
    status |= {"seconds": taken, "started": keeper.started, MADE: made_from}
    write_json(out / RECORD, status | {"machine": keeper.machine, "files": files})


def _left_out(start: Checkpoint, setting: Setting) -> Iterator[str]:
    """Yield a line for each network of the portfolio that breaks a bound of the board."""
    g = start.network.architecture
    for name, broken in too_large(setting.portfolio, g, setting.search, setting.latency):
        yield (
            f"base.portfolio: {name} takes "
            + " and ".join(f"{e.takes}; search.constraints.{e.key} is {e.bound}" for e in broken)
            + "; it is left out"
        )


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
