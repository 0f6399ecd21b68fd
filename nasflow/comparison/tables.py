"""The tables of a comparison: one row for each run, and the summaries of all runs.

A method is an algorithm or an ablation of one (`nasgd-log`); a run is a method with one seed.
Values come from the records of the searches; a dash stands where there is none. The column names
are those of the CSV files; module `parts` gives the names that the page shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasflow.comparison.differences import Difference, cell, paired
from nasflow.config import compare as compare_config
from nasflow.config.compare import algorithm_of
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import BASELINES
from nasflow.config.section import plain
from nasflow.records.intervals import mean_sd, relative_improvement
from nasflow.storage.files import read_json

DASH = "–"
# Sections and keys that decide no result.
UNUSED = ("device", "deterministic", "threads", "rounds_per_job", "suite", "tracking")
PAPER = pd.DataFrame(
    [
        ("NASH2", "8 ?", "5 ?", "8 ?", "17 ?", "0.05 → 0 ?", "no", "1 day ?", "19.7 M ?", "5.2 ?"),
        ("NASGraph", "10 ?", "3 ?", "4 ?", "30 ?", "0.1 → 0 ?", "yes", "19.4 h", DASH, "4.96"),
        ("NASGD1", "0.89", "1", "8", "18", "0.05 → 1e-7", "no", "12 h", "28.6 M", "4.06"),
        ("NASAGD1", "2.54", "1", "8", "18", "0.05 → 1e-7", "no", "1 day", "31.0 M", "3.96"),
    ],
    columns=[
        *("method", "n_steps", "n_NM", "n_neigh", "epochs_neigh", "λ_start → λ_final"),
        *("gradient ageing", "time, one GPU", "parameters", "CIFAR-10 error %"),
    ],
)  # fmt: skip


def runs(results: Path, methods: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """Read the records of all runs.

    Args:
        results: the folder of the experiment, with METHOD/seed_S below it.
        methods: the names of the methods.
        seeds: the seeds that every method ran with.

    Returns:
        One row for each method and seed. Errors and accuracies lie between 0 and 1. Seconds and
        epochs stand there for each stage and in all; the test is not counted.
    """
    return pd.DataFrame(
        [_run(results / name / f"seed_{seed}", name, seed) for name in methods for seed in seeds]
    )


def _run(search: Path, method: str, seed: int) -> dict[str, Any]:
    metrics = read_json(search / "final" / "metrics.json")
    stages = ("pretrain", "search", "final")
    seconds = {f"seconds_{stage}": metrics["seconds"][stage] for stage in stages}
    epochs = {f"epochs_{stage}": metrics[f"{stage}_epochs"] for stage in stages}
    hours = metrics["seconds"]["search"] / 3600.0
    return {
        "method": method,
        "seed": seed,
        **{key: metrics[key] for key in ("test_error", "test_accuracy", "test_loss")},
        **{key: metrics[key] for key in ("validation_accuracy", "parameters", "flops")},
        **{key: metrics[key] for key in ("conv_layers", "rounds", "recentred", "architectures")},
        "architectures_per_hour": metrics["architectures"] / hours if hours else np.nan,
        **epochs,
        "epochs_total": sum(epochs.values()),
        **seconds,
        "seconds_total": sum(seconds.values()),
        "fingerprint": metrics["fingerprint"],
    }


def methods_table(experiment: Experiment, methods: Sequence[str]) -> pd.DataFrame:
    """Return the paper's table of the methods' parameters, with one row for each of `methods`."""
    return pd.DataFrame([_parameters(experiment.variant(name), name) for name in methods])


def _parameters(experiment: Experiment, method: str) -> dict[str, Any]:
    base, search = algorithm_of(method), experiment.search
    climbing = base in BASELINES
    own = experiment.baselines if climbing else search
    particles = base in ("nasgd", "nasagd")
    entropy = f"f^{search.beta:g}" if search.potential == "power" else search.potential
    row = {
        "n_NM": own.n_morphisms,
        "networks a round": own.n_neigh + (0 if climbing else 1),
        "epochs_neigh": f"{own.epochs_neigh:g}",
        "λ_start → λ_final": f"{own.lambda_start:g} → {own.lambda_final:g}",
        "clock": _cosine(base),
        "gradient ageing": f"s = {experiment.baselines.ageing:g}" if base == "nasgraph" else "no",
        "N": f"{search.particles:,}" if particles else DASH,
        "U'(f)": entropy if particles else DASH,
        "a round ends": _ends(base, experiment),
    }
    if base == "none":
        row = dict.fromkeys(row, DASH)
    return {"method": method, **row}


def _cosine(base: str) -> str:
    if base in BASELINES:
        return "starts anew in each " + ("rung" if base == "halving" else "round")
    return "goes on over the rounds"


def _ends(base: str, experiment: Experiment) -> str:
    search = experiment.search
    best = "when all are trained; the most accurate network goes on"
    rungs = f"after the last rung; the best 1 in {experiment.baselines.eta} go on from each rung"
    return {
        "nash": best,
        "nasgraph": best,
        "random": "when one child, drawn uniformly, is trained; it goes on",
        "halving": rungs,
    }.get(
        base,
        "when a child holds twice as many particles as the centre, or after "
        f"{search.max_steps} steps",
    )


def results_table(table: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Return the paper's second table (time, parameters, error) with intervals and rates.

    Args:
        table: the runs as `runs` returns them, without ablations.
        experiment: the configuration of the comparison.

    Returns:
        One row of texts for each method: means over its seeds, ± their standard deviation.
    """
    rates = table.groupby("method").architectures_per_hour.mean()
    accuracy = table.groupby("method").test_accuracy.mean()
    of = experiment.compare.of
    rows = []
    for name in table.method.unique():
        own = table[table.method == name]
        rows.append(
            {
                "method": name,
                "seconds": spread(own.seconds_total, 1.0, 1),
                "of these search": f"{own.seconds_search.mean():.1f}",
                "epochs of all networks": f"{own.epochs_total.mean():.0f}",
                "parameters": f"{own.parameters.mean():,.0f}",
                "test error %": spread(own.test_error, 100.0, 2),
                f"error − {of}'s, points": against(table, name, of, experiment),
                "over random %": _improvement(accuracy, name),
                "rounds that moved": f"{own.recentred.mean():.1f} of {own.rounds.mean():.1f}",
                "architectures / h": _number(rates[name]),
                "ratio to nash": _ratio(rates, name),
            }
        )
    return pd.DataFrame(rows)


def ablation_table(table: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Return the table that shows what each option is worth.

    Args:
        table: the runs as `runs` returns them.
        experiment: the configuration of the comparison.

    Returns:
        One row of texts for the algorithm `compare.of` and one for each of its ablations. `nasagd`
        stands beside `nasgd` where both ran: it is the second order of the same method.
    """
    compare = experiment.compare
    rows = []
    names = [compare.of, *compare_config.names(compare)]
    if compare.of == "nasgd" and "nasagd" in set(table.method):
        names.insert(1, "nasagd")
    for name in (name for name in names if name in set(table.method)):
        own = table[table.method == name]
        options = list(compare_config.differences(compare_config.overrides(compare, name)))
        rows.append(
            {
                "method": name,
                "differs by": "; ".join(options) or ("second order" if name == "nasagd" else DASH),
                "test error %": spread(own.test_error, 100.0, 2),
                f"error − {compare.of}'s, points": against(table, name, compare.of, experiment),
                "validation accuracy %": spread(own.validation_accuracy, 100.0, 2),
                "parameters": f"{own.parameters.mean():,.0f}",
                "rounds that moved": f"{own.recentred.mean():.1f} of {own.rounds.mean():.1f}",
            }
        )
    return pd.DataFrame(rows)


def difference(
    table: pd.DataFrame, name: str, of: str, experiment: Experiment
) -> Difference | None:
    """Compare the test errors of two methods, paired by seed.

    Args:
        table: the runs as `runs` returns them.
        name: the method.
        of: the method that it is compared with.
        experiment: the configuration; `compare` has the level and the number of resamples.

    Returns:
        The mean of error(name) - error(of) with its intervals, in percentage points. None where
        `name` is `of`, or where `of` did not run.
    """
    if name == of or of not in set(table.method):
        return None
    a, b = (
        100.0 * table[table.method == m].set_index("seed").test_error.sort_index().to_numpy()
        for m in (name, of)
    )
    return paired(a, b, experiment.compare)


def equal(experiment: Experiment) -> str:
    """Say which budget the methods have in common: seconds, epochs, or none."""
    final = experiment.final
    if final.total_seconds is not None:
        return f"equal wall-clock time, {final.total_seconds:g} s for each search"
    if final.total_epochs is not None:
        return (
            f"equal epochs, {final.total_epochs:g} for each search, added up over all its networks"
        )
    return "budgets differ; set final.total_seconds or final.total_epochs to make them equal"


def settings(experiment: Experiment) -> Mapping[str, Any]:
    """Return all options that decide the results, as plain data."""
    kept: dict[str, Any] = plain(experiment)
    return {name: kept[name] for name in kept if name not in UNUSED}


def against(table: pd.DataFrame, name: str, of: str, experiment: Experiment) -> str:
    """Write `difference` as the cell of a table; the arguments are the same.

    Returns:
        The difference in percentage points, such as `+0.65 [+0.20, +1.10] ± 0.40`; without an
        interval where there is one seed; a dash where there is no difference to tell.
    """
    found = difference(table, name, of, experiment)
    return DASH if found is None else cell(found)


def spread(values: Any, scale: float, digits: int) -> str:
    """Write mean ± standard deviation of some numbers, as the cell of a table.

    Args:
        values: a pandas Series.
        scale: the number that each value is multiplied by, such as 100 for per cent.
        digits: digits behind the point.
    """
    mean, sd = mean_sd(scale * values.to_numpy(dtype=float))
    return f"{mean:.{digits}f}" + (f" ± {sd:.{digits}f}" if np.isfinite(sd) else "")


def _improvement(accuracy: Any, name: str) -> str:
    if "random" not in accuracy or name == "random":
        return DASH
    return f"{relative_improvement(accuracy[name], accuracy['random']):+.2f}"


def _ratio(rates: Any, name: str) -> str:
    known = "nash" in rates and np.isfinite(rates[name]) and rates["nash"] > 0
    return f"{rates[name] / rates['nash']:.2f}" if known else DASH


def _number(value: float) -> str:
    return f"{value:,.0f}" if np.isfinite(value) else DASH
