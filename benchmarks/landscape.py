"""Searches of NAS-Bench-201 at equal numbers of queries, as a Markdown table.

A query asks for one training of one architecture. The accuracies come from the benchmark's table,
so that nothing is trained.

python -m benchmarks.landscape --write docs/landscape.md
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nasflow.particles.flow import Counts, Vector
from nasflow.studies.nasbench201 import DATASETS, landscape
from nasflow.studies.particle_search import particle_search, rounds
from nasflow.studies.searches import local_search, random_search, regularized_evolution
from nasflow.studies.table import Landscape, Search, explore

Accuracies = npt.NDArray[np.float64]
BUDGETS = (50, 100, 200, 500)
MARKS = ("<!-- table -->", "<!-- end of table -->")


def greedy(V: Vector) -> Counts:
    """Put all particles on the node with the lowest loss, as a search does that has no flow."""
    return np.where(np.arange(len(V)) == np.argmin(V), 1000, 1)


BASELINES: dict[str, Search[str]] = {
    "random": random_search,
    "local search, all neighbours": partial(local_search, first=False),
    "local search, all neighbours, best of 10": partial(local_search, first=False, start=10),
    "local search, first improvement": partial(local_search, first=True),
    "local search, first improvement, best of 10": partial(local_search, first=True, start=10),
    "regularized evolution, 10": partial(regularized_evolution, population=10, sample=10),
    "regularized evolution, 30": partial(regularized_evolution, population=30, sample=10),
    "regularized evolution, 50": partial(regularized_evolution, population=50, sample=10),
    "regularized evolution, 100": partial(regularized_evolution, population=100, sample=10),
}
OURS: dict[str, Search[str]] = {
    "NASGD": partial(particle_search, algorithm="nasgd"),
    "NASAGD": partial(particle_search, algorithm="nasagd"),
    "NASGD, uniform children": partial(particle_search, algorithm="nasgd", proposal="uniform"),
    "NASAGD, uniform children": partial(particle_search, algorithm="nasagd", proposal="uniform"),
    "no particles, smooth children": partial(
        rounds, move=greedy, proposal="smooth", n_neigh=2, start=10, frontier=25
    ),
    "no particles, uniform children": partial(
        rounds, move=greedy, proposal="uniform", n_neigh=2, start=10, frontier=25
    ),
}


def accuracies(search: Search[str], table: Landscape[str], seeds: int) -> Accuracies:
    """Run a search with many seeds, and measure its best architecture so far at each budget.

    Returns:
        Accuracies in %, (seeds, budgets), each the mean over all trainings of the architecture.
    """
    rows = []
    for seed in range(seeds):
        incumbents = explore(search, table, max(BUDGETS), seed).incumbents
        rows.append([100.0 - table.value(incumbents[b - 1]) for b in BUDGETS])
    return np.array(rows)


def ceiling(table: Landscape[str], seeds: int) -> float:
    """Measure the mean accuracy, in %, of a search that queries the whole table."""
    size = len(table.architectures)
    last = (explore(random_search, table, size, seed).incumbents[-1] for seed in range(seeds))
    return float(np.mean([100.0 - table.value(architecture) for architecture in last]))


def markdown(results: dict[str, Accuracies]) -> str:
    """Write two tables: means ± standard errors, and the differences to the best baseline.

    The differences are paired by seed, and are given for our searches only.

    Args:
        results: for each search the accuracies in %, (seeds, budgets).
    """
    best = [max((results[n] for n in BASELINES), key=lambda r: r[:, b].mean()) for b in range(4)]
    lines = ["| queries | " + " | ".join(map(str, BUDGETS)) + " |", "| --- |" + " --- |" * 4]
    for name, result in results.items():
        cells = [_number(result[:, b]) for b in range(4)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "Difference to the best baseline of the column, seed by seed:", ""]
    lines += lines[:2]
    for name in OURS:
        cells = [_number(results[name][:, b] - best[b][:, b], "+") for b in range(4)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(values: Accuracies, sign: str = "") -> str:
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():{sign}.3f} ± {error:.3f}"


def report(dataset: str, seeds: int) -> str:
    """Write the tables of one data set, with its optimum and the ceiling of all searches."""
    table = landscape(dataset)
    optimum = 100.0 - min(map(table.value, table.architectures))
    results = {n: accuracies(s, table, seeds) for n, s in (BASELINES | OURS).items()}
    return (
        f"{dataset}, {seeds} seeds. Optimum {optimum:.3f}; the whole table queried, one training "
        f"each: {ceiling(table, seeds):.3f}.\n\n{markdown(results)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=["cifar10"])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--write", type=Path, help="put the tables between the marks of this file")
    arguments = parser.parse_args()
    text = "\n\n".join(report(dataset, arguments.seeds) for dataset in arguments.datasets)
    print(text)
    if arguments.write:
        page = arguments.write.read_text()
        before, rest = page.split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        arguments.write.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
