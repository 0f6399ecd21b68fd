"""Every page says what no search would have given."""

from __future__ import annotations

import pandas as pd
import pytest
from compared import TOTAL, an_experiment, runs_of

from nasflow.comparison import fixed


@pytest.fixture
def runs() -> pd.DataFrame:
    """Errors of `nash` are 2.00 ± 1 %, of `chain7` 3, of `none` 4 and of `nasgd` 5 %."""
    return runs_of(["nash", "chain7", "none", "nasgd"])


def test_the_best_fixed_network_stands_beside_each_search(runs: pd.DataFrame) -> None:
    experiment = an_experiment(final=TOTAL)
    table = fixed.table(runs, experiment)
    assert list(table.search) == ["nasgd", "nash"]  # compare.of first
    assert set(table["best fixed network"]) == {"chain7"}
    assert list(table.iloc[:, -1]) == [
        "+2.00 [+2.00, +2.00] ± 0.00",
        "-1.00 [-1.00, -1.00] ± 0.00",
    ]


def test_the_verdict_is_one_sentence_with_its_interval(runs: pd.DataFrame) -> None:
    said = fixed.verdict(runs, an_experiment(final=TOTAL))
    assert said == (
        "NASGD ends 2.00 points above the best fixed network, chain7 (5.00 % against 3.00 %); "
        "95% interval by Student's t [+2.00, +2.00]: it does not contain zero."
    )


def test_a_difference_that_may_be_chance_is_called_so(runs: pd.DataFrame) -> None:
    runs.loc[runs.method == "nasgd", "test_error"] = [0.01, 0.05, 0.02]  # chain7: 2, 3 and 4 %
    said = fixed.verdict(runs, an_experiment(final=TOTAL))
    assert said.startswith("NASGD ends 0.33 points below")
    assert "it contains zero, so this may be chance" in said
    said = fixed.verdict(runs[runs.seed == 0], an_experiment(final=TOTAL))
    assert said.endswith("with one seed there is no interval.")


def test_a_page_without_a_fixed_network_says_how_to_add_one() -> None:
    runs = runs_of(["nasgd", "nash"])
    experiment = an_experiment(final=TOTAL, algorithms=["nasgd", "nash"])
    said = fixed.verdict(runs, experiment)
    assert any(f"algorithms: [nasgd, nash, {name}]" in said for name in fixed.FIXED)
    assert set(fixed.table(runs, experiment)["best fixed network"]) == {"–"}


def test_a_page_without_a_search_says_so() -> None:
    runs = runs_of(["chain7", "none"])
    assert fixed.verdict(runs, an_experiment(final=TOTAL)).startswith("No search was run")
    assert fixed.table(runs, an_experiment(final=TOTAL)).empty
