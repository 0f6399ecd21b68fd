"""Peers from PyPI beside this pipeline's algorithms, with its data, training, budget and seeds.

    python -m benchmarks.peers --configfile config/compare.yaml

A peer is a search of another package. First Snakemake prepares the data and runs the algorithms
`--own`, into results/{experiment}. Then Optuna's TPE sampler, its random sampler and gromo's
growing networks run, into peers/{experiment}, where the table is written at the end. Finished runs
are not done again. docs/peers.md says what is equal for all and what is not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.peers.bench import Options
from benchmarks.peers.meter import limit
from benchmarks.peers.run import PEERS, run, searcher
from benchmarks.peers.table import page, runs
from nasflow.comparison import comparing
from nasflow.config import files as config_file
from nasflow.config.compare import merged
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import Algorithm


def main() -> int:
    """Run the comparison of the command line, and return its exit code: 2 for a wrong input."""
    try:
        return _compare(_arguments())
    except ValueError as error:
        print(*(f"peers: {line}" for line in str(error).splitlines()), sep="\n", file=sys.stderr)
        return 2


def _compare(arguments: argparse.Namespace) -> int:
    experiment = _experiment(arguments.configfile)
    limit(experiment)
    for peer in arguments.peers:
        searcher(peer)
    seeds = arguments.seeds or experiment.seeds
    results = Path("results") / experiment.experiment
    folder = arguments.out or Path("peers") / experiment.experiment
    metrics = [f"{results}/{n}/seed_{s}/final/metrics.json" for n in arguments.own for s in seeds]
    targets = [f"{results}/data/data.json", *metrics]
    if code := _snakemake(arguments.configfile, experiment.threads, targets):
        return code
    options = Options(**{name: getattr(arguments, name) for name in Options._fields})
    for seed in seeds:
        for peer in arguments.peers:
            place = folder / peer / f"seed_{seed}"
            print(place, file=sys.stderr)
            run(experiment, peer, seed, results / "data", place, options)
    frame = runs(results, arguments.own, folder, arguments.peers, seeds)
    text = page(frame, experiment, _said(options))
    frame.to_csv(folder / "peers.csv", index=False)
    (folder / "peers.md").write_text(text)
    print(text)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    none = Options()
    add = parser.add_argument
    add("--configfile", type=Path, nargs="+", default=[Path("config/compare.yaml")])
    add("--peers", nargs="+", choices=list(PEERS), default=["optuna_tpe", "optuna_random", "gromo"])
    add("--own", nargs="*", choices=[own.value for own in Algorithm], default=["nasgd", "none"])
    add("--seeds", type=int, nargs="+", help="default: those of the configuration")
    add("--out", type=Path, help="default: peers/{experiment}")
    add("--trial", type=float, help="epochs of one trial; default: those of pretraining")
    add("--slots", type=_count, default=none.slots, help="morphisms of the encoding `moves`")
    add("--startup", type=_count, default=none.startup, help="trials that TPE draws at random")
    add("--pruner", choices=("median", "none"), default=none.pruner, help="what ends bad trials")
    add("--growths", type=_count, default=none.growths, help="times that gromo grows")
    add(
        "--statistics",
        type=_count,
        default=none.statistics,
        help="batches for each growth of gromo",
    )
    return parser.parse_args()


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value}; expected at least 1")
    return value


def _said(options: Options) -> str:
    """Say the machine and the options, and warn if the machine was busy: then seconds mislead."""
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    said = ", ".join(f"{name} {value}" for name, value in options._asdict().items())
    busy = f" The machine had other work (load {load:.1f}): a smoke run." if load > cores else ""
    return f"{comparing.machine()}, {cores} cores; {said}.{busy}"


def _experiment(files: Sequence[Path]) -> Experiment:
    """The experiment of some configuration files, merged over the default as Snakemake does."""
    together: dict[str, Any] = {}
    every = [config_file.DEFAULT, *files]
    for file in every:
        if problems := config_file.problems(file):
            raise ValueError(f"--configfile: {file}: {problems[0]}")
        together = merged(together, yaml.safe_load(file.read_text()))
    return config_file.experiment(every, together)


def _snakemake(files: Sequence[Path], threads: int, targets: Sequence[str]) -> int:
    """Let Snakemake run one search at a time, alone on its cores, as the peers run."""
    words = [sys.executable, "-m", "snakemake", "--cores", str(threads)]
    words += ["--configfile", *map(str, files), "--quiet", "all", "--", *targets]
    return subprocess.run(words, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
