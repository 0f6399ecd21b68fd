"""The table of all commands of `nasflow`, with their arguments and examples.

A command calls the function of the same name in its module, with its arguments. Modules stand here
by name and are imported when their command is called, so that a search imports only what it needs.
"""

from __future__ import annotations

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
    """

    summary: str
    arguments: tuple[Argument, ...]
    module: str
    group: str = PEOPLE
    examples: tuple[tuple[str, str], ...] = ()
    passes: bool = False


def argument(*names: str, **options: Any) -> Argument:
    """An argument, written as for argparse's add_argument."""
    return Argument(names, options)


OPTIONS: dict[str, dict[str, Any]] = {
    "config": {"help": "the parts of the configuration for this stage, as JSON"},
    "data": {"type": Path, "help": "folder that the stage prepare wrote"},
    "seed": {"type": int, "help": "seed of the search"},
    "out": {"type": Path, "help": "what to write: a folder, the stem of a checkpoint, or a file"},
    "device": {"default": "cpu", "help": "where networks live: cpu, cuda or cuda:N"},
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
    "algorithm": {"help": "algorithm of the search"},
    "parent": {"type": Path, "help": "stem of the checkpoint to start from"},
    "plan": {"type": Path, "help": "plan.json, which holds the budget"},
    "budget": {"help": "the budget as JSON"},
    "round": {"type": int, "help": "number of the round, from 1"},
    "rounds": {"type": Path, "nargs": "*", "help": "folders of all rounds, in their order"},
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
COMPUTE = ("device", "threads")
LOG = argument("--log", type=Path, help="append a line about this call to the file")


def stage(
    module: str,
    summary: str,
    *names: str,
    required: bool = True,
    group: str = SNAKEMAKE,
    examples: tuple[tuple[str, str], ...] = (),
) -> Command:
    """A command whose options are those of OPTIONS, such as a stage that a rule runs.

    Args:
        module: the module of the command's function, without the leading `nasflow.`.
        summary: one line of help.
        names: the options that it takes, keys of OPTIONS.
        required: whether an option without a default must be given.
        group: the heading under which `nasflow --help` lists the command.
        examples: pairs of a command line and its meaning.
    """
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
    help="data.json of its training, where it lies neither beside the network nor in its results",
)
FOUND = "results/digits/nasgd/seed_0"
FORMS = ("onnx", "pt2", "python", "torch")  # of `nasflow.command.export`

COMMANDS: dict[str, Command] = {
    "init": Command(
        "make a folder for a new experiment, from flags or a few questions",
        (
            argument("folder", type=Path, help="the folder to make; it must be new or empty"),
            argument("--data", help="the images: digits, cifar10, ..., folder or parquet"),
            argument(
                "--train",
                help="own images: a folder of class folders, or a Parquet file or glob",
            ),
            argument("--test", help="the same for the test set; without it 20 %% are held out"),
            argument("--minutes", type=float, help="minutes for the whole search (default: 20)"),
            argument("--algorithm", help="nasgd, nasagd, nash, ... (default: nasgd)"),
            argument("--device", help="cpu, cuda or cuda:N (default: cpu)"),
            argument("--cores", type=int, help="cores to use (default: all of this machine)"),
        ),
        "nasflow.command.init",
        examples=(
            ("nasflow init leaves --data folder --train photos --minutes 30", "with own images"),
            ("nasflow init try", "ask for what is missing"),
        ),
    ),
    "check": Command(
        "report each problem of a configuration and of its pictures in one line",
        (argument("files", type=Path, nargs="+", help="files as for Snakemake's --configfile"),),
        "nasflow.command.checking",
        examples=(("nasflow check leaves/config.yaml", "before anything runs"),),
    ),
    "show": Command(
        "print an experiment, a search, a round or a network",
        (
            argument("path", type=Path, help="a folder of results, or a file of a checkpoint"),
            argument("--all", action="store_true", help="show every child of every round"),
            argument("--json", action="store_true", help="print JSON, for programs"),
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
        "write the page about an experiment, finished or not",
        (
            argument("results", type=Path, help="folder of the experiment, such as results/digits"),
            argument(
                "--config", help="the whole configuration as JSON; without it the page says less"
            ),
            argument("--out", type=Path, help="file to write (default: RESULTS/report.html)"),
            LOG,
        ),
        "nasflow.stages.pages",
        examples=(("nasflow report results/digits", "also while the search runs"),),
    ),
    "predict": Command(
        "print the label and the probability of images",
        (
            NETWORK,
            argument("images", type=Path, nargs="+", help="image files, or folders of them"),
            argument(
                "--top", type=int, default=1, metavar="K", help="classes per image (default: 1)"
            ),
            argument("--csv", action="store_true", help="print a table of all probabilities"),
            argument("--json", action="store_true", help="print JSON, for programs"),
            FACTS,
        ),
        "nasflow.command.predict",
        examples=((f"nasflow predict {FOUND}/final/network pictures --top 3", ""),),
    ),
    "export": Command(
        "write a network for use without nasflow: ONNX, torch.export or plain PyTorch",
        (
            NETWORK,
            argument("--to", required=True, choices=FORMS, help="the format; torch means python"),
            argument(
                "--out",
                type=Path,
                required=True,
                help="the file to write (python, torch: the folder); it must be new",
            ),
            argument("--uint8", action="store_true", help="take uint8, and not float32 in 0..1"),
            argument("--logits", action="store_true", help="give logits, and not probabilities"),
            FACTS,
        ),
        "nasflow.command.export",
        examples=(
            (f"nasflow export {FOUND}/final/network --to python --out digits_net", ""),
            (f"nasflow export {FOUND}/final/network --to onnx --out digits.onnx", ""),
        ),
    ),
    "verify": Command(
        "check every file under a folder of results",
        (
            argument("results", type=Path, help="results, or a folder below it"),
            argument("-v", "--verbose", action="store_true", help="also name unknown files"),
        ),
        "nasflow.records.verify",
        examples=(("nasflow verify results", "exit code 3 if a file is damaged"),),
    ),
    "resume": Command(
        "after a crash: unlock the folder, then run Snakemake with these arguments",
        (),
        "nasflow.storage.resume",
        examples=(("nasflow resume --cores 2 --configfile leaves/config.yaml -- final_model", ""),),
        passes=True,
    ),
    "track": stage(
        "tracking.command",
        "copy results to MLflow: all of a folder, or one stage",
        *("uri", "all", "kind", "source", "experiment", "algorithm", "seed", "round", "out"),
        required=False,
        group=PEOPLE,
        examples=(("nasflow track --all results", "copy all results again"),),
    ),
    "ui": stage(
        *("tracking.command", "show MLflow's pages on http://127.0.0.1:5000", "uri", "port"),
        required=False,
        group=PEOPLE,
    ),
    "prepare": stage("stages.preparation", "read, check and split the images", "config", "out"),
    "pretrain": stage(
        "stages.training",
        "train the base network",
        *("config", "algorithm", "data", "seed", "out", *COMPUTE),
    ),
    "plan": stage("stages.selecting", "write the budget to a file", "config", "out"),
    "search_round": stage(
        "stages.rounds",
        "run one round: children train, particles move, one child may win",
        *("config", "algorithm", "data", "parent", "budget", "seed", "round", "out"),
        *(*COMPUTE, "ranks"),
    ),
    "select_winner": stage(
        "stages.selecting",
        "take the network of the last round",
        *("algorithm", "pretrain", "rounds", "plan", "out"),
    ),
    "final_train": stage(
        "stages.training",
        "train the found network to convergence",
        *("config", "data", "parent", "seed", "out", *COMPUTE),
    ),
    "evaluate": stage(
        "stages.evaluation",
        "measure the final network on the test set, once",
        *("config", "data", "network", "search", "pretrain", "out", *COMPUTE),
    ),
    "compare": stage(
        "stages.pages",
        "write tables and figures that compare algorithms",
        *("config", "results", "methods", "out"),
    ),
    "suite_files": stage(
        "stages.suites",
        "write the configuration files of a data set of a suite",
        *("config", "name", "out"),
    ),
    "sitting": stage(
        "stages.suites",
        "record the finished runs of a data set of a suite",
        *("config", "name", "out"),
    ),
    "suite": stage(
        "stages.suites",
        "write tables and a page that compare algorithms on several data sets",
        *("config", "sittings", "out"),
    ),
}
