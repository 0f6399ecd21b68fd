"""Recorded rounds, played again under other options; without training, this takes seconds.

    python benchmarks/replay.py results/E --window 60 --option burn_in=0,30 --option confidence=2,3

The losses of all steps come from the record of the round, so that a replay is at most as long as
the round was. The truth is the mean loss of each network over the last 30 steps of the record. A
replay is `right` if it ends with the network whose mean loss is the lowest; `regret` is by how many
nats the mean loss of its child is higher. `--window` and `--burn-in` must be those with which the
round was recorded.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from selection import DEFAULT, histories, unaveraged

from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.randomness import generator
from nasflow.studies.simulation import play

LAST = 30  # the steps at the end of a record that say which child was best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", type=Path, nargs="+", help="with particles.parquet somewhere below"
    )
    parser.add_argument("--window", type=int, default=DEFAULT.window)
    parser.add_argument("--burn-in", type=int, default=DEFAULT.burn_in)
    parser.add_argument(
        "--option", action="append", default=[], help="key=value,value of the section search"
    )
    parser.add_argument("--times", type=int, default=10, help="replays of each round")
    arguments = parser.parse_args()
    rounds = records(arguments.folder, arguments.window, arguments.burn_in)
    if not rounds:
        parser.error(f"no round of more than {2 * LAST} steps below {arguments.folder[0]}")
    print(f"{len(rounds)} rounds, {sum(len(losses) for losses, _ in rounds)} steps\n")
    print("| options | replays that end % | right % | regret, nats | steps, part of the record |")
    print("| --- | ---: | ---: | ---: | ---: |")
    own: dict[str, Any] = {"window": arguments.window}
    axes = [
        [(key, yaml.safe_load(value)) for value in values.split(",")]
        for key, _, values in (option.partition("=") for option in arguments.option)
    ]
    for choice in itertools.product(*axes):
        name = ", ".join(f"{key} {value}" for key, value in choice)
        search = parse(Search, own | dict(choice), "search")
        print(f"| {name} | {replayed(rounds, search, arguments.times)} |")


def records(folders: list[Path], window: int, burn_in: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Collect all recorded rounds that are longer than twice LAST, each once.

    Returns:
        For each round its losses, (steps, m), and its tau, (steps,).
    """
    found = {}
    for _, V, tau in histories(folders):
        if len(V) > 2 * LAST:
            losses = unaveraged(V, window, burn_in)
            found[losses[LAST].round(3).tobytes()] = losses, tau
    return list(found.values())


def replayed(rounds: list[tuple[np.ndarray, np.ndarray]], search: Search, times: int) -> str:
    """Replay all rounds under one choice of options, and write the cells of its row."""
    lengths, regrets = [], []
    for number, (losses, tau) in enumerate(rounds):
        ends = losses[-LAST:].mean(0)
        for time in range(times):
            rng = generator("replayed particles", number, time)
            winner, steps = play(rng, losses, tau, "nasgd", search)
            lengths.append(steps / len(losses))
            if winner is not None:
                regrets.append(ends[winner] - ends.min())
    ended, right = len(regrets) / len(lengths), np.mean(np.array(regrets) == 0.0)
    mean = np.mean(regrets)
    return f"{100 * ended:.0f} | {100 * right:.0f} | {mean:.4f} | {100 * np.mean(lengths):.0f} %"


if __name__ == "__main__":
    main()
