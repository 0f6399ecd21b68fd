"""The comparison of finished searches: from their folders to the files of one report."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from nasflow.comparison import anytime, checklist, figures, page, parts, tables
from nasflow.comparison.anytime import Curve
from nasflow.config.experiment import Experiment
from nasflow.version import __version__


def compared(results: Path, experiment: Experiment, methods: Sequence[str]) -> dict[str, bytes]:
    """Make all files of a comparison.

    Args:
        results: the folder of the experiment, with results/METHOD/seed_S below it.
        experiment: the configuration that the searches ran with.
        methods: the algorithms and ablations (`nasgd-log`) to compare, in the order to show them.

    Returns:
        The content of each file by its name; the names are those of `config.compare.FILES`
        without files.json, which holds their sha256.

    Raises:
        CorruptFile: if a record of a search is missing or damaged.
    """
    runs = tables.runs(results, methods, experiment.seeds)
    algorithms = [name for name in methods if "-" not in name]
    curves = _curves(results, experiment, methods)
    drawn = {
        "anytime.png": figures.anytime({name: curves[name] for name in algorithms}),
        "errors.png": figures.errors(runs),
    }
    frames = _tables(runs, experiment, algorithms)
    title = f"{experiment.experiment}: {len(algorithms)} methods, {parts.seeds(experiment)}"
    shown = parts.parts(experiment, runs, frames, drawn)
    csv = {"runs.csv": runs, **{f"{name}.csv": frame for name, frame in frames.items()}}
    return {
        **{name: frame.to_csv(index=False).encode() for name, frame in csv.items()},
        **drawn,
        "settings.json": _json(tables.settings(experiment)),
        "comparison.html": page.as_html(title, shown).encode(),
        "comparison.md": page.as_markdown(title, shown).encode(),
    }


def machine() -> str:
    """Name the versions and the machine that compared.

    The searches may have run on other machines: they ran wherever Snakemake sent them.
    """
    return (
        f"nasflow {__version__}, Python {platform.python_version()}, torch "
        f"{version('torch')}, {platform.machine()} {platform.system()}"
    )


def _curves(
    results: Path, experiment: Experiment, methods: Sequence[str]
) -> dict[str, list[Curve]]:
    """Read the anytime curve of each seed of each method."""
    final = not experiment.final.use_validation
    return {
        name: [
            anytime.of_search(results / name / f"seed_{seed}", final=final)
            for seed in experiment.seeds
        ]
        for name in methods
    }


def _tables(
    runs: pd.DataFrame, experiment: Experiment, algorithms: Sequence[str]
) -> dict[str, pd.DataFrame]:
    found = checklist.answers(runs, experiment, machine())
    return {
        "results": tables.results_table(runs[runs.method.isin(algorithms)], experiment),
        "methods": tables.methods_table(experiment, algorithms),
        "ablations": tables.ablation_table(runs, experiment),
        "checklist": checklist.as_table(found),
    }


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()
