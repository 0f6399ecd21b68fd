"""The NAS best practices checklist of Lindauer & Hutter 2020 (JMLR 21:243), answered from the
records of a comparison. The answer is `open` where no record shows it; nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from nasflow.comparison.tables import DASH, equal
from nasflow.config.compare import algorithm_of
from nasflow.config.experiment import Experiment

SEEDS = 3  # with fewer seeds the answer to "multiple runs" is no
APART = 0.1  # fraction by which the budgets of two methods may differ


class Answer(NamedTuple):
    """One item of the checklist.

    Attributes:
        question: the item in our words.
        answer: `yes`, `no` or `open`.
        evidence: what the answer rests on.
    """

    question: str
    answer: str
    evidence: str


def answers(table: pd.DataFrame, experiment: Experiment, machine: str) -> list[Answer]:
    """Answer the checklist, one answer for each item.

    Args:
        table: the runs as `tables.runs` returns them.
        experiment: the configuration of the comparison.
        machine: one line that names the versions and the machine that compared.
    """
    return [*_code(experiment), *_comparing(table, experiment), *_reporting(table, machine)]


def as_table(found: Sequence[Answer]) -> pd.DataFrame:
    """Return the answers as a table with one numbered row for each item."""
    return pd.DataFrame(
        [(number, *answer) for number, answer in enumerate(found, 1)],
        columns=["", "question", "answer", "evidence"],
    ).replace("", DASH)


def _code(experiment: Experiment) -> list[Answer]:
    seeds = ", ".join(map(str, experiment.seeds))
    return [
        Answer(
            "Is the code of the training pipeline released?", "yes", "nasflow, rule final_train"
        ),
        Answer("Is the code of the search space released?", "yes", "nasflow.network.morphisms"),
        Answer(
            "Are the hyperparameters and seeds of the final training released?",
            "yes",
            f"settings.json, section final; seeds {seeds}",
        ),
        Answer("Is the code of the NAS methods released?", "yes", "nasflow.search"),
        Answer(
            "Are the hyperparameters and seeds of the NAS methods released?",
            "yes",
            f"settings.json, sections search, baselines and budget; seeds {seeds}",
        ),
    ]


def _comparing(table: pd.DataFrame, experiment: Experiment) -> list[Answer]:
    ablations = [name for name in table.method.unique() if algorithm_of(name) != name]
    return [
        Answer(
            "Do all methods use the same data, splits, search space and training code?",
            "yes",
            f"one data.json (source {experiment.data.source}), one configuration, one program",
        ),
        _fair(table, experiment),
        Answer("Ablation studies: are there any?", _yes(ablations), ", ".join(ablations) or "none"),
        Answer(
            "Are all methods evaluated in the same way?",
            "yes",
            "rules final_train and evaluate; the test set is read once, in evaluate",
        ),
        Answer("Is performance over time shown?", "yes", "anytime.png, over seconds and epochs"),
        *_runs(list(table.method.unique()), len(experiment.seeds)),
    ]


def _runs(methods: Sequence[str], seeds: int) -> list[Answer]:
    return [
        Answer(
            "Random search: is it one of the methods?",
            _yes("random" in methods),
            f"methods: {', '.join(methods)}",
        ),
        Answer(
            "Multiple runs: are there enough, and are their seeds named?",
            _yes(seeds >= SEEDS),
            f"{seeds} seeds for each method; the answer is yes from {SEEDS} on",
        ),
        Answer(
            "Tabular or surrogate benchmarks: were any used?",
            "no",
            "not in this comparison; docs/landscape.md has NASGD and NASAGD on NAS-Bench-201",
        ),
    ]


def _fair(table: pd.DataFrame, experiment: Experiment) -> Answer:
    """Tell whether the budgets came out as equal as they were meant to be."""
    question = "Confounding factors (hardware, versions, run times): are they controlled?"
    final = experiment.final
    if final.total_seconds is None and final.total_epochs is None:
        return Answer(question, "no", equal(experiment))
    unit = "seconds" if final.total_seconds is not None else "epochs"
    used = table.groupby("method")[f"{unit}_total"].mean()
    spread = float(used.max() / used.min() - 1.0)
    evidence = (
        f"{equal(experiment)}; the methods used {used.min():.1f} to {used.max():.1f} {unit} on "
        "average"
    )
    return Answer(question, _yes(spread <= APART), evidence)


def _reporting(table: pd.DataFrame, machine: str) -> list[Answer]:
    total = float(table.seconds_total.sum())
    return [
        Answer(
            "How hyperparameters were tuned, and at what cost: is it reported?",
            "open",
            "no record shows it",
        ),
        Answer(
            "Is the time of the whole method reported, and not of its search alone?",
            "yes",
            "runs.csv has the times of pretraining, search and final training; all runs together "
            f"took {total:,.0f} s",
        ),
        Answer("Are all details of the setup reported?", "yes", f"settings.json; {machine}"),
    ]


def _yes(condition: object) -> str:
    return "yes" if condition else "no"
