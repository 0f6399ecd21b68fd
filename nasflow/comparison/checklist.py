"""The NAS best practices checklist of Lindauer & Hutter 2020 (JMLR 21:243), answered from the
records of a comparison. What no record shows is said to be open, never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from nasflow.comparison.tables import DASH, equal
from nasflow.config.compare import algorithm_of
from nasflow.config.experiment import Experiment

SEEDS = 3  # fewer are no multiple runs
APART = 0.1  # share by which budgets may differ


class Answer(NamedTuple):
    """A question in our words, `yes`, `no` or `open`, and what it rests on."""

    question: str
    answer: str
    evidence: str


def answers(table: pd.DataFrame, experiment: Experiment, machine: str) -> list[Answer]:
    """One an item. `table` as of comparison.runs, `machine` what it was compared on."""
    return [*_code(experiment), *_comparing(table, experiment), *_reporting(table, machine)]


def _code(experiment: Experiment) -> list[Answer]:
    seeds = ", ".join(map(str, experiment.seeds))
    return [
        Answer("Code of the training pipeline released?", "yes", "nasflow, rules final_train"),
        Answer("Code of the search space released?", "yes", "nasflow.network.morphisms"),
        Answer(
            "Hyperparameters and seeds of the final training released?",
            "yes",
            f"settings.json, section final; seeds {seeds}",
        ),
        Answer(
            "Code of the NAS methods released?",
            "yes",
            "nasflow.search",
        ),
        Answer(
            "Hyperparameters and seeds of the NAS methods released?",
            "yes",
            f"settings.json, sections search, baselines, budget; seeds {seeds}",
        ),
    ]


def _comparing(table: pd.DataFrame, experiment: Experiment) -> list[Answer]:
    methods, seeds = list(table.method.unique()), len(experiment.seeds)
    ablations = [name for name in methods if algorithm_of(name) != name]
    source = experiment.data.source
    return [
        Answer(
            "The same data, splits, search space and training code for all methods?",
            "yes",
            f"one data.json ({source}), one set of sections, one program",
        ),
        _fair(table, experiment),
        Answer("Ablation studies?", _yes(ablations), ", ".join(ablations) or "none"),
        Answer(
            "The same evaluation protocol?",
            "yes",
            "rules final_train and evaluate; the test set is read once, in evaluate",
        ),
        Answer("Performance over time?", "yes", "anytime.png, over seconds and over epochs"),
        Answer("Random search?", _yes("random" in methods), f"methods {', '.join(methods)}"),
        Answer("Multiple runs, with their seeds?", _yes(seeds >= SEEDS), f"{seeds} seeds a method"),
        Answer(
            "Tabular or surrogate benchmarks?",
            "no",
            "not here; docs/landscape.md has NASGD and NASAGD on NAS-Bench-201",
        ),
    ]


def _fair(table: pd.DataFrame, experiment: Experiment) -> Answer:
    """Confounding factors: whether the budgets came out as equal as they were meant."""
    question = "Confounding factors (hardware, versions, runtimes) controlled?"
    final = experiment.final
    if final.total_seconds is None and final.total_epochs is None:
        return Answer(question, "no", equal(experiment))
    unit = "seconds_total" if final.total_seconds is not None else "epochs_total"
    used = table.groupby("method")[unit].mean()
    spread = float(used.max() / used.min() - 1.0)
    evidence = f"{equal(experiment)}; used {used.min():.1f} to {used.max():.1f} by method"
    return Answer(question, _yes(spread <= APART), evidence)


def _reporting(table: pd.DataFrame, machine: str) -> list[Answer]:
    total = float(table.seconds_total.sum())
    return [
        Answer("How hyperparameters were tuned, and at what cost?", "open", "no record shows it"),
        Answer(
            "The time of the whole method, not of its search alone?",
            "yes",
            f"pretraining, search and final training in runs.csv; {total:,.0f} s together",
        ),
        Answer("All details of the setup?", "yes", f"settings.json; {machine}"),
    ]


def _yes(condition: object) -> str:
    return "yes" if condition else "no"


def as_table(found: Sequence[Answer]) -> pd.DataFrame:
    """For the report."""
    return pd.DataFrame(
        [(number, *answer) for number, answer in enumerate(found, 1)],
        columns=["", "question", "answer", "evidence"],
    ).replace("", DASH)
