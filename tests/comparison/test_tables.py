"""The tables of a comparison show differences, ratios and what an ablation changes."""

from __future__ import annotations

from compared import TOTAL, an_experiment, runs_of

from nasflow.comparison import tables


def test_the_results_table_has_differences_rates_and_ratios() -> None:
    table = tables.results_table(runs_of(["nasgd", "nash", "random"]), an_experiment(final=TOTAL))
    rows = table.set_index("method")
    assert rows.loc["nasgd", "test error %"] == "2.00 ± 1.00"
    assert rows.loc["nash", "error − nasgd's, points"] == "+1.00 [+1.00, +1.00] ± 0.00"
    assert rows.loc["nasgd", "ratio to nash"] == "40.00"
    assert rows.loc["nasgd", "over random %"] == "+2.08"  # 100 (98 - 96) / 96
    assert rows.loc["random", "architectures / h"] == "–"


def test_one_seed_has_no_interval() -> None:
    table = runs_of(["nasgd", "nash"])
    rows = tables.results_table(table[table.seed == 0], an_experiment(final=TOTAL))
    assert rows.set_index("method").loc["nash", "error − nasgd's, points"] == "+1.00"


def test_the_ablation_table_names_what_differs_and_the_second_order() -> None:
    options = {
        "ablations": {"log": {"search": {"potential": "log", "second_order": {"friction": 1}}}}
    }
    table = tables.ablation_table(
        runs_of(["nasgd", "nasagd", "nasgd-log"]), an_experiment(compare=options, final=TOTAL)
    )
    assert list(table.method) == ["nasgd", "nasagd", "nasgd-log"]
    differs = ["–", "second order", "search.potential: log; search.second_order.friction: 1"]
    assert list(table["differs by"]) == differs


def test_the_methods_table_shows_what_an_ablation_changes() -> None:
    compare = {"ablations": {"few": {"search": {"particles": 7}}}}
    experiment = an_experiment(compare=compare)
    rows = tables.methods_table(experiment, ["nasgd", "nasgd-few", "nash", "none"])
    rows = rows.set_index("method")
    assert list(rows.N) == ["1,000", "7", "–", "–"]
    assert list(rows["networks a round"]) == [9, 9, 8, "–"]
