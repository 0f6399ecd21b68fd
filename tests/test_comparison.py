"""Statistics of few seeds, anytime curves, the checklist and the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from snakemake.utils import update_config

from nasflow.comparison import checklist, figures, tables
from nasflow.comparison import page as comparison_report
from nasflow.comparison.anytime import Curve, at
from nasflow.comparison.page import Part
from nasflow.config import experiment as config
from nasflow.config.experiment import Experiment
from nasflow.randomness import generator
from nasflow.records.intervals import (
    Interval,
    mean_sd,
    paired_bootstrap,
    relative_improvement,
    student_reach,
)

errors = st.lists(st.floats(0.0, 100.0), min_size=2, max_size=12).map(np.array)


def _interval(a: Any, b: Any, resamples: int = 400) -> Interval:
    rng = generator("test", 0)
    return paired_bootstrap(a, b, resamples=resamples, level=0.95, rng=rng)


@given(errors)
def test_the_interval_lies_within_the_differences_and_holds_a_constant_one(a: Any) -> None:
    b = a[::-1]
    found = _interval(a, b)
    assert (a - b).min() - 1e-9 <= found.low <= found.high <= (a - b).max() + 1e-9
    assert found.estimate == pytest.approx(np.mean(a - b), abs=1e-9)
    assert _interval(a, a - 2.0) == pytest.approx((2.0, 2.0, 2.0), abs=1e-9)


@given(errors, st.integers(0, 99))
def test_what_a_seed_does_to_both_methods_cancels(a: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    b, luck = a + rng.standard_normal(len(a)), 50.0 * rng.standard_normal(len(a))
    assert _interval(a + luck, b + luck) == pytest.approx(_interval(a, b), abs=1e-6)


def test_the_same_seeds_give_the_same_interval() -> None:
    a, b = np.arange(5.0), np.array([1.0, 0.0, 3.0, 2.0, 9.0])
    assert _interval(a, b) == _interval(a, b)


@pytest.mark.parametrize(("seeds", "coverage"), [(3, 0.75), (5, 0.84), (10, 0.90), (20, 0.93)])
def test_coverage_is_what_the_docstring_says(seeds: int, coverage: float) -> None:
    """2,000 data sets with a true difference of 1; three standard errors of the count are 0.03."""
    rng = np.random.default_rng(seeds)
    held = 0
    for i in range(2000):
        a = rng.standard_normal(seeds) + 1.0
        found = paired_bootstrap(
            a, np.zeros(seeds), resamples=600, level=0.95, rng=generator("coverage", i)
        )
        held += found.low <= 1.0 <= found.high
    assert held / 2000 == pytest.approx(coverage, abs=0.03)


@pytest.mark.parametrize("seeds", [3, 5])
def test_students_interval_holds_what_it_says_for_few_seeds_too(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    held = 0
    for _ in range(2000):
        a = rng.standard_normal(seeds) + 1.0
        held += abs(a.mean() - 1.0) <= student_reach(a, np.zeros(seeds), level=0.95)
    assert held / 2000 == pytest.approx(0.95, abs=0.015)
    assert np.isnan(student_reach(np.ones(1), np.zeros(1), level=0.95))


def test_mean_sd_and_improvement() -> None:
    assert mean_sd(np.array([1.0, 3.0])) == (2.0, pytest.approx(np.sqrt(2.0)))
    assert np.isnan(mean_sd(np.array([1.0]))[1])
    assert relative_improvement(0.9, 0.8) == pytest.approx(12.5)
    assert relative_improvement(0.8, 0.8) == 0.0


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=20),
    st.lists(st.floats(-1, 11), min_size=1, max_size=9),
)
def test_an_anytime_curve_is_the_best_seen_up_to_then(
    looks: list[tuple[float, float]], grid: list[float]
) -> None:
    looks.sort()
    times, values = np.array(looks).T
    found = at(times, np.maximum.accumulate(values), np.array(grid))
    for moment, value in zip(grid, found, strict=True):
        seen = [v for t, v in looks if t <= moment]
        assert value == max(seen) if seen else np.isnan(value)


def _experiment(**sections: Any) -> Experiment:
    raw = {"seeds": [0, 1, 2], "budget": {"rounds": 1}, **sections}
    parsed: Experiment = config.parse(Experiment, raw)
    return parsed


TOTAL = {"epochs": None, "total_seconds": 10.0}


def _runs(methods: list[str], seconds: float = 10.0) -> pd.DataFrame:
    """Errors of 1, 2 and 3 %, a point more for each further method; the later take longer."""
    return pd.DataFrame(
        [
            {
                "method": name,
                "seed": seed,
                "test_error": 0.01 * (1 + seed + place),
                "test_accuracy": 1.0 - 0.01 * (1 + seed + place),
                "validation_accuracy": 0.9,
                "parameters": 1000,
                "rounds": 2,
                "recentred": 1,
                "architectures_per_hour": [400.0, 10.0, np.nan][place % 3],
                "seconds_search": 5.0,
                "seconds_total": 10.0 + place * (seconds - 10.0),
                "epochs_total": 100.0,
            }
            for place, name in enumerate(methods)
            for seed in range(3)
        ]
    )


def test_the_results_table_has_differences_rates_and_ratios() -> None:
    table = tables.results_table(_runs(["nasgd", "nash", "random"]), _experiment(final=TOTAL))
    rows = table.set_index("method")
    assert rows.loc["nasgd", "test error %"] == "2.00 ± 1.00"
    assert rows.loc["nash", "error − nasgd's, points"] == "+1.00 [+1.00, +1.00] ± 0.00"
    assert rows.loc["nasgd", "ratio to nash"] == "40.00"
    assert rows.loc["nasgd", "over random %"] == "+2.08"  # 100 (98 - 96) / 96
    assert rows.loc["random", "architectures / h"] == "–"


def test_one_seed_has_no_interval() -> None:
    table = _runs(["nasgd", "nash"])
    rows = tables.results_table(table[table.seed == 0], _experiment(final=TOTAL))
    assert rows.set_index("method").loc["nash", "error − nasgd's, points"] == "+1.00"


def test_the_ablation_table_names_what_differs_and_the_second_order() -> None:
    options = {
        "ablations": {"log": {"search": {"potential": "log", "second_order": {"friction": 1}}}}
    }
    table = tables.ablation_table(
        _runs(["nasgd", "nasagd", "nasgd-log"]), _experiment(compare=options, final=TOTAL)
    )
    assert list(table.method) == ["nasgd", "nasagd", "nasgd-log"]
    differs = ["–", "second order", "search.potential: log; search.second_order.friction: 1"]
    assert list(table["differs by"]) == differs


def test_the_methods_table_shows_what_an_ablation_changes() -> None:
    compare = {"ablations": {"few": {"search": {"particles": 7}}}}
    experiment = _experiment(compare=compare)
    rows = tables.methods_table(experiment, ["nasgd", "nasgd-few", "nash", "none"])
    rows = rows.set_index("method")
    assert list(rows.N) == ["1,000", "7", "–", "–"]
    assert list(rows["networks a round"]) == [9, 9, 8, "–"]


@pytest.mark.parametrize(
    ("methods", "experiment", "expected"),
    [
        (
            ["nasgd", "random"],
            {"final": TOTAL},
            {"Random": "yes", "Multiple": "yes", "Conf": "yes"},
        ),
        (["nasgd", "nash"], {}, {"Random": "no", "Conf": "no", "Ablation": "no"}),
        (["nasgd"], {"seeds": [0, 1]}, {"Multiple": "no"}),
        (["nasgd", "nasgd-x"], {"compare": {"ablations": {"x": {}}}}, {"Ablation": "yes"}),
        (["nasgd"], {"compare": {"ablations": {"x": {}}}}, {"Ablation": "no"}),
        (["nasgd"], {}, {"How hyperparameters": "open", "Tabular": "no"}),
    ],
)
def test_the_checklist_is_answered_from_the_records(
    methods: list[str], experiment: dict[str, Any], expected: dict[str, str]
) -> None:
    answers = checklist.answers(_runs(methods), _experiment(**experiment), "a machine")
    assert len(answers) == 16
    for start, answer in expected.items():
        found = [a.answer for a in answers if a.question.startswith(start)]
        assert found == [answer], start


def test_budgets_that_came_out_unequal_are_told() -> None:
    answers = checklist.answers(
        _runs(["nasgd", "nash"], seconds=13.0), _experiment(final=TOTAL), "a machine"
    )
    (fair,) = (a for a in answers if a.question.startswith("Confounding"))
    assert fair.answer == "no"
    assert "used 10.0 to 13.0" in fair.evidence


def test_the_page_needs_no_other_file_and_escapes_what_it_shows() -> None:
    frame = pd.DataFrame({"a|b": ["<script>", "x|y"]})
    parts = [Part("A & B", "1 < 2", frame), Part("Figure", "", ("f.png", b"png"))]
    page = comparison_report.as_html("t", parts)
    assert "<script>" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "| x\\|y |" in comparison_report.as_markdown("t", parts)


def test_figures_are_the_same_bytes_for_the_same_curves() -> None:
    curve = Curve(np.array([1.0, 5.0]), np.array([2.0, 9.0]), np.array([0.5, 0.7]))
    one, two = (figures.anytime({"nasgd": [curve, curve]}) for _ in range(2))
    assert one == two
    assert one[:4] == b"\x89PNG"
    assert figures.errors(_runs(["nasgd", "nash"]))[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    "names",
    [
        ["compare"],
        ["compare", "equal_epochs"],
        ["cifar10_cpu", "compare_cifar10_cpu", "compare_cifar10_ablations"],
    ],
)
def test_the_shipped_comparisons_are_fair_by_their_settings(names: list[str]) -> None:
    """One total for all, as many networks a round, every algorithm, three seeds, all ablations."""
    merged: dict[str, Any] = {}
    for name in ["config", *names]:
        text = (Path(__file__).parents[1] / f"config/{name}.yaml").read_text()
        update_config(merged, yaml.safe_load(text))
    experiment: Experiment = config.parse(Experiment, merged)
    assert tables.equal(experiment).startswith("equal")
    assert experiment.algorithms == config.ALGORITHMS
    assert len(experiment.seeds) >= 3
    assert experiment.baselines.n_neigh == experiment.search.n_neigh + 1
    options = {"log", "no_entropy", "star", "independent", "fresh", "no_negative"}
    assert options | {"n_100", "n_100000"} <= set(experiment.compare.ablations)
    assert not experiment.tracking.enabled
