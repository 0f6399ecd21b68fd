"""Peers from PyPI beside this pipeline's algorithms, with its data, training, budget and seeds.

    python -m benchmarks.peers --configfile config/compare.yaml

First the data and `--own` algorithms, by Snakemake, into results/{experiment}; then Optuna's TPE
and random sampler and gromo's growing networks, into peers/{experiment}; then the table, there too.
What is finished is not done again. docs/peers.md says what is equal and what is not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from benchmarks.peers.bench import Options
from benchmarks.peers.meter import limit
from benchmarks.peers.run import PEERS, run, searcher
from benchmarks.peers.table import page, runs
from nasflow import config_file
from nasflow.compare_config import merged
from nasflow.config import ALGORITHMS, Experiment


def main() -> int:
    arguments = _arguments()
    try:
        files = [config_file.DEFAULT, *arguments.configfile]
        experiment = _experiment(files)
        limit(experiment)
        for peer in arguments.peers:
            searcher(peer)
    except ValueError as error:
        print(*(f"peers: {line}" for line in str(error).splitlines()), sep="\n", file=sys.stderr)
        return 2
    seeds = arguments.seeds or experiment.seeds
    results = Path("results") / experiment.experiment
    folder = arguments.out or Path("peers") / experiment.experiment
    metrics = [f"{results}/{n}/seed_{s}/final/metrics.json" for n in arguments.own for s in seeds]
    if code := _snakemake(arguments.configfile, [f"{results}/data/data.json", *metrics]):
        return code
    options = Options(
        arguments.trial,
        arguments.slots,
        arguments.startup,
        arguments.pruner,
        arguments.growths,
        arguments.statistics,
    )
    for seed in seeds:
        for peer in arguments.peers:
            print(f"{peer} seed {seed}", file=sys.stderr)
            try:
                run(
                    experiment,
                    peer,
                    seed,
                    results / "data",
                    folder / peer / f"seed_{seed}",
                    options,
                )
            except ValueError as error:
                print(f"peers: {peer} seed {seed}: {error}", file=sys.stderr)
                return 2
    frame = runs(results, arguments.own, folder, arguments.peers, seeds)
    said = f"{options}. {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end."
    text = page(frame, experiment, said)
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
    add("--own", nargs="*", choices=ALGORITHMS, default=["nasgd", "none"])
    add("--seeds", type=int, nargs="+", help="default: those of the configuration")
    add("--out", type=Path, help="default: peers/{experiment}")
    add("--trial", type=float, help="epochs of a trial; default: those of pretraining")
    add("--slots", type=int, default=none.slots, help="morphisms of the encoding `moves`")
    add("--startup", type=int, default=none.startup, help="TPE's trials at random")
    add("--pruner", choices=("median", "none"), default=none.pruner)
    add("--growths", type=int, default=none.growths, help="of gromo")
    add("--statistics", type=int, default=none.statistics, help="batches for each growth of gromo")
    return parser.parse_args()


def _experiment(files: Sequence[Path]) -> Experiment:
    together: dict = {}
    for file in files:
        if not file.is_file():
            raise ValueError(f"--configfile: {file}; no file there")
        together = merged(together, yaml.safe_load(file.read_text()))
    return config_file.experiment(files, together)


def _snakemake(files: Sequence[Path], targets: Sequence[str]) -> int:
    """One search at a time, alone on its cores, as the peers are."""
    experiment = _experiment([config_file.DEFAULT, *files])
    words = [sys.executable, "-m", "snakemake", "--cores", str(experiment.threads)]
    words += ["--configfile", *map(str, files), "--quiet", "all", "--", *targets]
    return subprocess.run(words, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
