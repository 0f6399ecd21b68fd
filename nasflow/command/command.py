"""What a command of `nasflow` is: its help, its arguments, its examples and its function."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

PEOPLE = "for people"
SNAKEMAKE = "stages, which Snakemake runs"


class Argument(NamedTuple):
    """One argument of a command.

    Attributes:
        names: the names that argparse's add_argument takes, such as `--seed`.
        options: the keyword arguments of add_argument.
    """

    names: tuple[str, ...]
    options: dict[str, Any]


class Command(NamedTuple):
    """One command.

    Attributes:
        summary: one line of help.
        arguments: what the command takes.
        module: the module of the function that the command calls.
        group: the heading under which `nasflow --help` lists the command.
        examples: pairs of a command line and its meaning.
        passes: whether all arguments are handed on to another program.
        finished: the module of a function `is_finished`, which is called first and tells whether
            the command has nothing to do; empty where there is none. The module loads quickly.
    """

    summary: str
    arguments: tuple[Argument, ...]
    module: str
    group: str = PEOPLE
    examples: tuple[tuple[str, str], ...] = ()
    passes: bool = False
    finished: str = ""


def argument(*names: str, **options: Any) -> Argument:
    """An argument, written as for argparse's add_argument."""
    return Argument(names, options)


OPTIONS: dict[str, dict[str, Any]] = {
    "config": {"help": "the parts of the configuration for this stage, as JSON"},
    "data": {"type": Path, "help": "folder that the stage prepare wrote"},
    "seed": {"type": int, "help": "seed of the search"},
    "out": {"type": Path, "help": "what to write: a folder, the stem of a checkpoint, or a file"},
    "device": {"default": "cpu", "help": "where networks live: cpu, cuda or cuda:N"},
    "deterministic": {
        # Snakemake hands the key over in the environment, because a new option in the command of a
        # rule would run finished stages again.
        "action": "store_true",
        "default": os.environ.get("NASFLOW_DETERMINISTIC") == "1",
        "help": "on a GPU, use only algorithms that give the same bits in each run",
    },
    "threads": {
        "type": int,
        "default": 1,
        "help": "cores to use; the result stays bit for bit the same",
    },
    "ranks": {
        "type": int,
        "default": 1,
        "help": "processes per machine; the result stays bit for bit the same",
    },
    "rounds_per_job": {
        "type": int,
        "default": 1,
        "help": "rounds that the job computes, this one and those after it; the result stays bit"
        " for bit the same",
    },
    "algorithm": {"help": "algorithm of the search"},
    "parent": {"type": Path, "help": "stem of the checkpoint to start from"},
    "teacher": {
        "type": Path,
        "default": None,
        "help": "stem of the checkpoint of a trained network that teaches (final.distillation)",
    },
    "plan": {"type": Path, "help": "plan.json, which holds the budget"},
    "budget": {"help": "the budget as JSON"},
    "round": {"type": int, "help": "number of the round, from 1"},
    "rounds": {"type": Path, "nargs": "*", "help": "folders of all rounds, in their order"},
    "prune": {"type": Path, "nargs": "*", "help": "folders of all prune rounds, in their order"},
    "front": {
        "type": Path,
        "default": None,
        "help": "plan.json of the front, where its networks share a total budget",
    },
    "network": {"type": Path, "help": "stem of the trained network's checkpoint"},
    "search": {"type": Path, "help": "summary.json of the search"},
    "pretrain": {"type": Path, "help": "status.json of the pretraining"},
    "results": {"type": Path, "help": "folder of an experiment, results/EXPERIMENT"},
    "methods": {"nargs": "+", "help": "algorithms and ablations to compare"},
    "name": {"help": "name of a data set of the suite"},
    "sittings": {"type": Path, "nargs": "+", "help": "sitting.json of each data set"},
    "kind": {"choices": ("pretrain", "round", "final"), "help": "which stage to copy to MLflow"},
    "source": {"type": Path, "help": "folder of the stage"},
    "experiment": {"help": "name of the experiment"},
    "uri": {"help": "address of MLflow", "default": "sqlite:///results/mlflow.db"},
    "port": {"type": int, "help": "port to listen on (default: 5000, or the next free one)"},
    "all": {"type": Path, "help": "copy everything under this folder of results to MLflow"},
}
COMPUTE = ("device", "deterministic", "threads")
LOG = argument("--log", type=Path, help="append a line about this call to the file")


def stage(
    module: str,
    summary: str,
    *names: str,
    required: bool = True,
    group: str = SNAKEMAKE,
    examples: tuple[tuple[str, str], ...] = (),
    finished: str = "",
) -> Command:
    """A command whose options are those of OPTIONS, such as a stage that a rule runs.

    Args:
        module: the module of the command's function, without the leading `nasflow.`.
        summary: one line of help.
        names: the options that it takes, keys of OPTIONS.
        required: whether an option without a default must be given.
        group: the heading under which `nasflow --help` lists the command.
        examples: pairs of a command line and its meaning.
        finished: the module that tells whether the command has nothing to do, without `nasflow.`.
    """
    arguments = [
        argument(f"--{name}", required=required and "default" not in OPTIONS[name], **OPTIONS[name])
        for name in names
    ]
    fast = f"nasflow.{finished}" if finished else ""
    return Command(summary, (LOG, *arguments), f"nasflow.{module}", group, examples, finished=fast)
