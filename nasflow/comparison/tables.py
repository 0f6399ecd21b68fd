"""The tables of a comparison: a row a method and seed, and what they say together.

A method is an algorithm or an ablation of one (`nasgd-log`). Values come from the records of its
searches; a dash stands where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasflow.config import compare as compare_config
from nasflow.config.compare import algorithm_of
from nasflow.config.experiment import BASELINES, Experiment, plain
from nasflow.randomness import generator
from nasflow.records.intervals import (
    Interval,
    mean_sd,
    paired_bootstrap,
    relative_improvement,
    student_reach,
)
from nasflow.storage.files import read_json

DASH = "–"
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
    """A row a method and seed; seconds and epochs by stage and in all (without the test)."""
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
    """The paper's table of the methods' parameters, for these methods."""
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
        "clock": "each round" if climbing else "goes on over rounds",
        "gradient ageing": f"s = {experiment.baselines.ageing:g}" if base == "nasgraph" else "no",
        "N": f"{search.particles:,}" if particles else DASH,
        "U'(f)": entropy if particles else DASH,
        "a round ends": _ends(base, experiment),
    }
    if base == "none":
        row = dict.fromkeys(row, DASH)
    return {"method": method, **row}


def _ends(base: str, experiment: Experiment) -> str:
    search = experiment.search
    return {
        "nash": "best of all after training",
        "nasgraph": "best of all after training",
        "random": "a child drawn uniformly",
        "halving": f"best of the last 1 in {experiment.baselines.eta} a rung",
    }.get(base, f"a child has 2 n_0, or {search.max_steps} steps")


def results_table(table: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """The paper's second table: time, parameters, error; with intervals and rates."""
    rates = table.groupby("method").architectures_per_hour.mean()
    accuracy = table.groupby("method").test_accuracy.mean()
    of = experiment.compare.of
    rows = []
    for name in table.method.unique():
        own = table[table.method == name]
        rows.append(
            {
                "method": name,
                "seconds": _spread(own.seconds_total, 1.0, 1),
                "of these search": f"{own.seconds_search.mean():.1f}",
                "epochs of all networks": f"{own.epochs_total.mean():.0f}",
                "parameters": f"{own.parameters.mean():,.0f}",
                "test error %": _spread(own.test_error, 100.0, 2),
                f"error − {of}'s, points": against(table, name, of, experiment),
                "over random %": _improvement(accuracy, name),
                "rounds that moved": f"{own.recentred.mean():.1f} of {own.rounds.mean():.1f}",
                "architectures / h": _number(rates[name]),
                "ratio to nash": _ratio(rates, name),
            }
        )
    return pd.DataFrame(rows)


def ablation_table(table: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """What each option is worth: the ablations and the algorithm that they are of; the second order
    beside the first where both ran."""
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
                "test error %": _spread(own.test_error, 100.0, 2),
                f"error − {compare.of}'s, points": against(table, name, compare.of, experiment),
                "validation accuracy %": _spread(own.validation_accuracy, 100.0, 2),
                "parameters": f"{own.parameters.mean():,.0f}",
                "rounds that moved": f"{own.recentred.mean():.1f} of {own.rounds.mean():.1f}",
            }
        )
    return pd.DataFrame(rows)


def difference(
    table: pd.DataFrame, name: str, of: str, experiment: Experiment
) -> tuple[Interval, float] | None:
    """Test error of a method less that of another, in points, paired by seed: with the bootstrap's
    bounds, and half of Student's interval."""
    if name == of or of not in set(table.method):
        return None
    a, b = (
        100.0 * table[table.method == m].set_index("seed").test_error.sort_index().to_numpy()
        for m in (name, of)
    )
    compare, rng = experiment.compare, generator("bootstrap", len(a))
    between = paired_bootstrap(a, b, resamples=compare.resamples, level=compare.level, rng=rng)
    return between, student_reach(a, b, level=compare.level)


def equal(experiment: Experiment) -> str:
    """What the methods have in common: `wall clock`, `epochs`, or nothing."""
    final = experiment.final
    if final.total_seconds is not None:
        return f"equal wall clock, {final.total_seconds:g} s a search"
    if final.total_epochs is not None:
        return f"equal epochs, {final.total_epochs:g} a search, those of all networks added up"
    return "budgets that differ: set final.total_seconds or final.total_epochs"


def settings(experiment: Experiment) -> Mapping[str, Any]:
    """All that decides the results, as plain data."""
    kept: dict[str, Any] = plain(experiment)
    return {name: kept[name] for name in kept if name not in ("device", "threads", "tracking")}


def against(table: pd.DataFrame, name: str, of: str, experiment: Experiment) -> str:
    """`difference` as a table has it: a dash for the method itself, no interval of one seed."""
    found = difference(table, name, of, experiment)
    if found is None:
        return DASH
    between, reach = found
    if np.isnan(reach):
        return f"{between[0]:+.2f}"
    return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*between) + f" ± {reach:.2f}"


def _spread(values: Any, scale: float, digits: int) -> str:
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
