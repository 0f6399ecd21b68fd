"""nasflow STAGE --option value ...: the stages as subcommands.

Exit codes: 0 done, 2 bad input or no memory left, 3 a damaged or mismatched file, 75 stopped by a
signal or another process is at it: try again. One line, no traceback.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
STAGES = {
    "prepare": ("config", "out"),
    "pretrain": ("config", "data", "seed", "out", *COMPUTE),
    "plan": ("config", "out"),
    "search_round": (
        *("config", "algorithm", "data", "parent", "budget", "seed", "round", "out"),
        *(*COMPUTE, "ranks"),
    ),
    "select_winner": ("algorithm", "pretrain", "rounds", "plan", "out"),
    "final_train": ("config", "data", "parent", "seed", "out", *COMPUTE),
    "evaluate": ("config", "data", "network", "search", "pretrain", "out", *COMPUTE),
    "compare": ("config", "results", "methods", "out"),
    "ui": ("uri",),
    "track": ("uri", "all", "kind", "source", "experiment", "algorithm", "seed", "round", "out"),
}


def parser() -> argparse.ArgumentParser:
    """One subcommand a stage; every option of a stage is required, except those of `track`."""
    top = argparse.ArgumentParser(
        prog="nasflow", description="Stages of a search, run by Snakemake."
    )
    commands = top.add_subparsers(dest="stage", required=True)
    for stage, names in STAGES.items():
        command = commands.add_parser(stage)
        command.add_argument("--log", type=Path, help="append one line about the run to this file")
        for name in names:
            options = dict(OPTIONS[name])
            required = stage != "track" and "default" not in options
            command.add_argument(f"--{name}", required=required, **options)
    verify = commands.add_parser("verify", help="check every file under a results folder")
    verify.add_argument("results", type=Path, help="results, or a folder below it")
    verify.add_argument("-v", "--verbose", action="store_true", help="name unknown files too")
    report = commands.add_parser("report", help="write the page of an experiment as it stands")
    report.add_argument("results", type=Path, help="its folder, such as results/digits")
    report.add_argument("--config", help="the whole experiment as JSON; without it less is told")
    report.add_argument("--out", type=Path, help="file to write; default RESULTS/report.html")
    report.add_argument("--log", type=Path, help="append one line about the run to this file")
    commands.add_parser("resume", help="after a crash: unlock, then Snakemake with these arguments")
    check = commands.add_parser("check", help="say what is wrong with a configuration")
    check.add_argument("files", type=Path, nargs="+", help="as for Snakemake's --configfile")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage, resume or check; the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options: dict[str, Any] = {"stage": "resume", "arguments": arguments[1:]}
    module = "nasflow.resume"
    if arguments[:1] != ["resume"] or {"-h", "--help"} & set(arguments):
        module, options = "nasflow.stages", vars(parser().parse_args(arguments))
    stage, log = options.pop("stage"), options.pop("log", None)
    module = {"check": "nasflow.config_file", "verify": "nasflow.verify"}.get(stage, module)
    given = {name: value for name, value in options.items() if value is not None}
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # machines that part are no news
    began = time.monotonic()
    from nasflow import memory
    from nasflow.files import CorruptFile
    from nasflow.interruption import Stopped
    from nasflow.lock import Held
    from nasflow.machines import machines
    from nasflow.ranks import LOST, LostRankError
    from nasflow.sections import printable

    codes = {ValueError: 2, CorruptFile: 3, Stopped: 75, Held: 75}
    ranks = given.pop("ranks", 0)  # of a stage that knows no ranks
    try:
        if ranks and "RANK" not in os.environ:
            together = machines(os.environ)
            if ranks * together.nodes > 1:
                from nasflow.launch import launch

                return launch(ranks, arguments, together)
        code = getattr(importlib.import_module(module), stage)(**given)
    except tuple(codes) as error:
        first = os.environ.get("RANK", "0") == "0"  # all ranks meet the same error
        lines = [printable(line) for line in str(error).split("\n")]
        for line in lines if first else ():
            print(f"nasflow: {line}", file=sys.stderr)
        code = next(code for kind, code in codes.items() if isinstance(error, kind))
        _note(log, f"{stage} {'failed' if code < 75 else 'not done'} ({code}): {'; '.join(lines)}")
        return code
    except LostRankError:  # nasflow.launch says which
        return LOST
    except (MemoryError, RuntimeError) as error:
        if not memory.exhausted(error):
            raise
        reason = (str(error).splitlines() or ["no memory left"])[0]
        line = f"out of memory ({reason}); lower batch_size or n_neigh, or set search.max_memory"
        print(f"nasflow: {stage}: {line}", file=sys.stderr)
        _note(log, f"{stage} failed (2): {line}")
        return 2
    _note(log, f"{stage} done in {time.monotonic() - began:.1f} s")
    return code or 0


def _note(log: Path | None, line: str) -> None:
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "a") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {line}\n")


if __name__ == "__main__":
    done = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(done)  # torch takes half a second to take itself apart, a silent MLflow longer
