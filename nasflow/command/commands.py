"""What `nasflow` can be told to do: a table of commands, their arguments and examples.

A command is the function of its name in its module; its arguments are the function's. Modules are
named here and imported when they are called: a search imports no more than it needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

PEOPLE = "for people"
SNAKEMAKE = "stages, which Snakemake runs"


class Argument(NamedTuple):
    """The names and options of argparse's add_argument."""

    names: tuple[str, ...]
    options: dict[str, Any]


class Command(NamedTuple):
    """One line of help, the arguments, where the function is, and examples: command, meaning."""

    summary: str
    arguments: tuple[Argument, ...]
    module: str
    group: str = PEOPLE
    examples: tuple[tuple[str, str], ...] = ()
    passes: bool = False  # all that follows is another program's


def argument(*names: str, **options: Any) -> Argument:
    return Argument(names, options)


OPTIONS: dict[str, dict[str, Any]] = {
    "config": {"help": "the stage's config sections as JSON"},
    "data": {"type": Path, "help": "folder that prepare wrote"},
    "seed": {"type": int, "help": "seed of the search"},
    "out": {"type": Path, "help": "folder, checkpoint stem or file to write"},
    "device": {"default": "cpu", "help": "cpu, cuda or cuda:N"},
    "threads": {"type": int, "default": 1, "help": "workers; changes no byte of a result"},
    "ranks": {"type": int, "default": 1, "help": "processes a machine; changes no byte either"},
    "algorithm": {"help": "algorithm of the search"},
    "parent": {"type": Path, "help": "checkpoint stem to start from"},
    "plan": {"type": Path, "help": "plan.json, the budget"},
    "budget": {"help": "the budget as JSON"},
    "round": {"type": int, "help": "number of the round, from 1"},
    "rounds": {"type": Path, "nargs": "*", "help": "folders of all rounds in order"},
    "network": {"type": Path, "help": "checkpoint stem of the trained network"},
    "search": {"type": Path, "help": "summary.json of the search"},
    "pretrain": {"type": Path, "help": "status.json of the pretraining"},
    "results": {"type": Path, "help": "folder of an experiment, results/EXPERIMENT"},
    "methods": {"nargs": "+", "help": "algorithms and ablations to compare"},
    "kind": {"choices": ("pretrain", "round", "final"), "help": "what to mirror"},
    "source": {"type": Path, "help": "folder of the stage"},
    "experiment": {"help": "name of the experiment"},
    "uri": {"help": "MLflow tracking URI", "default": "sqlite:///results/mlflow.db"},
    "all": {"type": Path, "help": "mirror everything under this results folder"},
}
COMPUTE = ("device", "threads")
LOG = argument("--log", type=Path, help="append one line about the run to this file")


def stage(
    module: str,
    summary: str,
    *names: str,
    required: bool = True,
    group: str = SNAKEMAKE,
    examples: tuple[tuple[str, str], ...] = (),
) -> Command:
    """A command that a rule runs: every option is required unless it has a default."""
    arguments = [
        argument(f"--{name}", required=required and "default" not in OPTIONS[name], **OPTIONS[name])
        for name in names
    ]
    return Command(summary, (LOG, *arguments), f"nasflow.{module}", group, examples)


NETWORK = argument(
    "network", type=Path, help="a checkpoint, such as results/digits/nasgd/seed_0/final/network"
)
FACTS = argument(
    "--data",
    type=Path,
    help="data.json of its training, where it does not lie beside the network or in its results",
)
FOUND = "results/digits/nasgd/seed_0"

COMMANDS: dict[str, Command] = {
    "init": Command(
        "make a folder for a new experiment, from flags or a few questions",
        (
            argument("folder", type=Path, help="a folder that is new or empty"),
            argument("--data", help="digits, cifar10, ..., folder or parquet"),
            argument("--train", help="folder of class folders, or Parquet file or glob"),
            argument("--test", help="the same for the test set; else 20 %% are held out"),
            argument("--minutes", type=float, help="time for all, on this machine (default: 20)"),
            argument("--algorithm", help="nasgd, nasagd, nash, ... (default: nasgd)"),
            argument("--device", help="cpu, cuda or cuda:N (default: cpu)"),
            argument("--cores", type=int, help="cores to use (default: all of this machine)"),
        ),
        "nasflow.command.init",
        examples=(
            ("nasflow init leaves --data folder --train photos --minutes 30", "own pictures"),
            ("nasflow init try", "asks"),
        ),
    ),
    "check": Command(
        "say what is wrong with a configuration, a line a problem",
        (argument("files", type=Path, nargs="+", help="as for Snakemake's --configfile"),),
        "nasflow.config.files",
        examples=(("nasflow check leaves/config.yaml", "before anything runs"),),
    ),
    "show": Command(
        "print an experiment, a search, a round or a network",
        (
            argument("path", type=Path, help="a folder of results, or a checkpoint's file"),
            argument("--all", action="store_true", help="every child of every round"),
            argument("--json", action="store_true", help="for programs"),
        ),
        "nasflow.command.show",
        examples=(
            ("nasflow show results/digits", "the searches of an experiment"),
            (f"nasflow show {FOUND}", "the path of the centre, round by round"),
            (f"nasflow show {FOUND}/search/round_1", "the children of a round"),
            (f"nasflow show {FOUND}/final/network", "layers, sizes, a picture"),
        ),
    ),
    "report": Command(
        "write the page of an experiment as it stands",
        (
            argument("results", type=Path, help="its folder, such as results/digits"),
            argument("--config", help="the whole experiment as JSON; without it less is told"),
            argument("--out", type=Path, help="file to write (default: RESULTS/report.html)"),
            LOG,
        ),
        "nasflow.stages.pages",
        examples=(("nasflow report results/digits", "of a search that still runs, too"),),
    ),
    "predict": Command(
        "labels and probabilities of images",
        (
            NETWORK,
            argument("images", type=Path, nargs="+", help="pictures, or folders of pictures"),
            argument("--top", type=int, default=1, metavar="K", help="classes an image (1)"),
            argument("--csv", action="store_true", help="a table of all probabilities"),
            argument("--json", action="store_true", help="for programs"),
            FACTS,
        ),
        "nasflow.command.predict",
        examples=((f"nasflow predict {FOUND}/final/network pictures --top 3", ""),),
    ),
    "export": Command(
        "take a network out of nasflow: ONNX, torch.export or plain Python",
        (
            NETWORK,
            argument("--to", required=True, choices=("onnx", "pt2", "python"), help="the form"),
            argument("--out", type=Path, required=True, help="new file, of python new folder"),
            argument("--uint8", action="store_true", help="takes uint8, not float32 in 0..1"),
            argument("--logits", action="store_true", help="gives logits, not probabilities"),
            FACTS,
        ),
        "nasflow.command.export",
        examples=(
            (f"nasflow export {FOUND}/final/network --to python --out digits_net", ""),
            (f"nasflow export {FOUND}/final/network --to onnx --out digits.onnx", ""),
        ),
    ),
    "verify": Command(
        "check every file under a results folder",
        (
            argument("results", type=Path, help="results, or a folder below it"),
            argument("-v", "--verbose", action="store_true", help="name unknown files too"),
        ),
        "nasflow.records.verify",
        examples=(("nasflow verify results", "ends with 3 where something is broken"),),
    ),
    "resume": Command(
        "after a crash: unlock, then Snakemake with these arguments",
        (),
        "nasflow.storage.resume",
        examples=(("nasflow resume --cores 2 --configfile leaves/config.yaml -- final_model", ""),),
        passes=True,
    ),
    "track": stage(
        "tracking.command",
        "mirror results to MLflow: all of a folder, or one stage",
        *("uri", "all", "kind", "source", "experiment", "algorithm", "seed", "round", "out"),
        required=False,
        group=PEOPLE,
        examples=(("nasflow track --all results", "makes the mirror anew"),),
    ),
    "ui": stage(
        "tracking.command",
        "serve MLflow's pages on http://127.0.0.1:5000",
        "uri",
        group=PEOPLE,
    ),
    "prepare": stage("stages.preparation", "read, check and split the images", "config", "out"),
    "pretrain": stage(
        "stages.training", "train the base network", "config", "data", "seed", "out", *COMPUTE
    ),
    "plan": stage("stages.selecting", "write the budget down", "config", "out"),
    "search_round": stage(
        "stages.rounds",
        "one round: children train, particles move, one may win",
        *("config", "algorithm", "data", "parent", "budget", "seed", "round", "out"),
        *(*COMPUTE, "ranks"),
    ),
    "select_winner": stage(
        "stages.selecting",
        "the last round's winner",
        "algorithm",
        "pretrain",
        "rounds",
        "plan",
        "out",
    ),
    "final_train": stage(
        "stages.training",
        "train the winner to convergence",
        "config",
        "data",
        "parent",
        "seed",
        "out",
        *COMPUTE,
    ),
    "evaluate": stage(
        "stages.evaluation",
        "the one look at the test set",
        *("config", "data", "network", "search", "pretrain", "out", *COMPUTE),
    ),
    "compare": stage(
        "stages.pages", "tables and figures of algorithms", "config", "results", "methods", "out"
    ),
}
