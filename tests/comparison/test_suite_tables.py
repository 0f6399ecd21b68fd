"""The tables of a suite: methods are compared within a set, paired by seed, and over the sets."""

from __future__ import annotations

import pandas as pd
import pytest
from suites import a_sitting

from nasflow.comparison import suite_tables
from nasflow.comparison.sitting import frame
from nasflow.config.compare import Compare

ONE = {"nasgd": [1.0, 2.0], "chain7": [2.0, 4.0], "none": [1.0, 2.0]}
TWO = {"nasgd": [10.0, 12.0], "chain7": [9.0, 10.0], "none": [11.0, 13.0]}


@pytest.fixture
def runs() -> pd.DataFrame:
    return frame([a_sitting("one", ONE), a_sitting("two", TWO)])


def test_ranks_are_within_a_set_and_ties_share_theirs(runs: pd.DataFrame) -> None:
    found = suite_tables.summary(runs).set_index(["set", "method"])
    assert list(found.loc["one", "rank"]) == [1.5, 3.0, 1.5]
    assert list(found.loc["two", "rank"]) == [2.0, 1.0, 3.0]
    assert found.loc[("one", "nasgd"), "error_mean"] == pytest.approx(1.5)
    assert found.loc[("one", "nasgd"), "error_sd"] == pytest.approx(0.5**0.5)


def test_the_table_of_errors_has_one_column_for_each_set(runs: pd.DataFrame) -> None:
    rows = suite_tables.errors(runs).set_index("method")
    assert list(rows.columns) == ["one", "two", "mean rank"]
    assert list(rows.loc["nasgd"]) == ["1.50 ± 0.71", "11.00 ± 1.41", "1.75"]


def test_differences_are_paired_by_seed_and_then_by_set(runs: pd.DataFrame) -> None:
    found = suite_tables.versus(runs, "nasgd", Compare()).set_index(["method", "set"])
    one, two, whole = (found.loc[("chain7", name)] for name in ("one", "two", "all"))
    assert (one.difference, two.difference) == (pytest.approx(-1.5), pytest.approx(1.5))
    assert (whole.difference, whole.pairs) == (pytest.approx(0.0, abs=1e-9), 2)
    assert (whole.wins, whole.ties, whole.losses) == (1, 0, 1)
    assert one.reach == pytest.approx(12.706 * 0.5, rel=1e-3)  # of the differences -1 and -2
    ties = found.loc[("none", "all")]
    assert (ties.wins, ties.ties, ties.losses) == (1, 1, 0)


def test_the_best_fixed_network_is_chosen_on_each_set(runs: pd.DataFrame) -> None:
    found = suite_tables.versus(runs, "nasgd", Compare())
    best = found[found.method == suite_tables.BEST].set_index("set")
    assert best.difference["one"] == pytest.approx(0.0)  # none
    assert best.difference["two"] == pytest.approx(1.5)  # chain7
    assert best.losses["all"] == 1
    alone = suite_tables.versus(runs[runs.method != "none"], "nasgd", Compare())
    assert suite_tables.BEST not in set(alone.method)


def test_a_perfect_choice_ends_at_the_best_fixed_network_of_each_set(runs: pd.DataFrame) -> None:
    found = suite_tables.perfect_choice(runs, Compare()).set_index(["method", "set"])
    assert found.difference[("none", "one")] == 0.0 and not found.clear[("none", "one")]
    assert found.difference[("none", "two")] == pytest.approx(-2.5)
    assert found.difference[("chain7", "all")] == pytest.approx(-0.75)
    assert (found.wins[("chain7", "all")], found.ties[("chain7", "all")]) == (1, 1)
    assert set(found.index.get_level_values("method")) == {"none", "chain7"}
    assert suite_tables.perfect_choice(runs[runs.method != "none"], Compare()).empty


def test_one_set_with_one_seed_has_no_interval() -> None:
    runs = frame([a_sitting("one", {"nasgd": [1.0], "nash": [3.0]})])
    (row,) = suite_tables.versus_table(suite_tables.versus(runs, "nasgd", Compare())).to_dict(
        "records"
    )
    assert row == {
        "against": "nash",
        **{"wins": "1", "ties": "0", "losses": "0"},
        "mean over sets": "-2.00",
        "one": "-2.00",
    }


def test_methods_of_other_seconds_are_not_compared() -> None:
    slow, fast = a_sitting("one", {"nasgd": [1.0]}), a_sitting("one", {"nash": [3.0]}, 20.0)
    runs = frame([slow | {"runs": slow["runs"] + fast["runs"]}])
    assert suite_tables.versus(runs[runs.seconds == 40.0], "nasgd", Compare()).empty
    assert list(suite_tables.summary(runs)["rank"]) == [1.0, 1.0]


def test_the_seconds_of_the_own_line_are_shown(runs: pd.DataFrame) -> None:
    rows = suite_tables.spent(runs)
    assert list(rows["in the final network's line, %"])[:3] == ["50", "100", "100"]
    assert rows["rounds that moved the centre"][0] == "1.0 of 3.0"
