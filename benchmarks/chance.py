"""How often chance ends a round, and how often and how late a true lead does, as a Markdown table.

    python benchmarks/chance.py --rounds 200

Losses are simulated with paired batches (`nasflow.studies.simulation`): the differences between two
siblings have a standard deviation of 0.06 nats in each step, and correlate by 0.35 from one step to
the next. One child is better by the gap, all others are equal to g_r.
"""

from __future__ import annotations

import argparse
import itertools
import math
from typing import Any

from nasflow.config.kinds import Algorithm
from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.studies.simulation import Model, Outcome, paired, simulate

NOISE, MEMORY = 0.06, 0.35  # nats for each difference, and its correlation from step to step
CPU = {"window": 60, "max_steps": 600}
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "cifar10_cpu": {**CPU, "confidence": 2.0},
    "cifar10_cpu, default confidence": CPU,
    "cifar10_bfloat16": {**CPU, "confidence": 2.5, "warmup_steps": 60, "burn_in": 30},
}
CHILDREN = (3, 5, 8)
GAPS = (0.0, 0.02, 0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, help="rounds for each number")
    rounds = parser.parse_args().rounds
    print("| settings | nodes | algorithm | no gap | gap 0.02 | gap 0.05 |")
    print("| --- | ---: | --- | --- | --- | --- |")
    for name, children, algorithm in itertools.product(
        SETTINGS, CHILDREN, (Algorithm.NASGD, Algorithm.NASAGD)
    ):
        search = parse(Search, SETTINGS[name] | {"n_neigh": children}, "search")
        cells = [_cell(simulate(_model(gap), algorithm, search, rounds=rounds)) for gap in GAPS]
        row = [name, str(children + 1), algorithm.upper(), *cells]
        print(f"| {' | '.join(row)} |", flush=True)


def _model(gap: float) -> Model:
    return paired(gap, residual=NOISE / math.sqrt(2.0))._replace(memory=MEMORY)


def _cell(o: Outcome) -> str:
    return f"{100 * o.ended:.0f}, {100 * o.right:.0f}, {o.steps:.0f}" if o.ended else "0"


if __name__ == "__main__":
    main()
