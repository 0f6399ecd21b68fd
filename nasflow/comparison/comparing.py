"""The comparison of finished searches: from their folders to the files of one report."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from nasflow.comparison import anytime, checklist, page
from nasflow.comparison import figures as comparison_figures
from nasflow.comparison import tables as comparison
from nasflow.comparison.page import Part
from nasflow.config.experiment import Experiment
from nasflow.version import __version__


def compared(results: Path, experiment: Experiment, methods: Sequence[str]) -> dict[str, bytes]:
    """Name -> content of compare_config.FILES."""
    runs = comparison.runs(results, methods, experiment.seeds)
    curves = {
        name: [
            anytime.of_search(
                results / name / f"seed_{seed}", final=not experiment.final.use_validation
            )
            for seed in experiment.seeds
        ]
        for name in methods
    }
    plain = [name for name in methods if "-" not in name]
    figures = {
        "anytime.png": comparison_figures.anytime({name: curves[name] for name in plain}),
        "errors.png": comparison_figures.errors(runs),
    }
    found = checklist.answers(runs, experiment, machine())
    tables = {
        "results": comparison.results_table(runs[runs.method.isin(plain)], experiment),
        "methods": comparison.methods_table(experiment, plain),
        "ablations": comparison.ablation_table(runs, experiment),
        "checklist": checklist.as_table(found),
    }
    title = f"{experiment.experiment}: {len(plain)} methods, {_seeds(experiment)}"
    parts = _parts(experiment, tables, figures)
    csv = {"runs.csv": runs, **{f"{name}.csv": frame for name, frame in tables.items()}}
    return {
        **{name: frame.to_csv(index=False).encode() for name, frame in csv.items()},
        **figures,
        "settings.json": _json(comparison.settings(experiment)),
        "comparison.html": page.as_html(title, parts).encode(),
        "comparison.md": page.as_markdown(title, parts).encode(),
    }


def machine() -> str:
    """What compared; the searches ran wherever Snakemake sent them."""
    return (
        f"nasflow {__version__}, Python {platform.python_version()}, torch "
        f"{version('torch')}, {platform.machine()} {platform.system()}"
    )


def _parts(
    experiment: Experiment, tables: dict[str, pd.DataFrame], figures: dict[str, bytes]
) -> list[Part]:
    level = f"{experiment.compare.level:.0%}"
    return [
        Part(
            "Results",
            f"{comparison.equal(experiment).capitalize()}. Mean ± standard deviation of "
            f"{_seeds(experiment)}; differences are paired by seed, in brackets the {level} "
            "percentile bootstrap interval, which is too narrow for few seeds (three: it holds "
            f"about three times in four), behind ± half of Student's, which holds {level} of "
            "normal differences. Architectures per hour are children trained per hour of search; "
            "the paper claims 40 times as many as NASH.",
            tables["results"],
        ),
        Part(
            "Anytime",
            "Best validation accuracy so far; lines are means over seeds, bands reach from the "
            "worst seed to the best.",
            ("anytime.png", figures["anytime.png"]),
        ),
        Part("Errors", "Every run.", ("errors.png", figures["errors.png"])),
        Part("Methods", "What each method ran with.", tables["methods"]),
        Part(
            f"Ablations of {experiment.compare.of}",
            "Each is the algorithm with the options named, all else equal.",
            tables["ablations"],
        ),
        Part(
            "The paper's numbers",
            "CIFAR-10 on one GPU, as the paper reports them or, with a question mark, from memory "
            "or a replica: unconfirmed. Not comparable with the table above.",
            comparison.PAPER,
        ),
        Part(
            "NAS best practices",
            "The checklist of Lindauer & Hutter 2020 (JMLR 21:243), answered from the records.",
            tables["checklist"],
        ),
    ]


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def _seeds(experiment: Experiment) -> str:
    count = len(experiment.seeds)
    return "one seed" if count == 1 else f"{count} seeds"
