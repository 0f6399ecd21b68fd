"""The page of a suite says what it showed, and on which machines."""

from __future__ import annotations

from suites import a_sitting, a_suite

from nasflow.comparison.fixed import FIXED
from nasflow.comparison.suite import suite
from nasflow.config.suite import FILES


def made(one: dict[str, list[float]], two: dict[str, list[float]], **facts: object) -> str:
    sittings = [a_sitting("one", one), a_sitting("two", two) | facts]
    files = suite(sittings, a_suite())
    assert {*files, "files.json"} == set(FILES)
    assert files["errors.png"][:4] == b"\x89PNG"
    fixed = sum(name in FIXED for name in one)
    assert files["suite.html"].count(b"<h2>") == (6 if fixed > 1 else 5)
    return files["suite.md"].decode()


def test_the_page_says_how_the_search_stands_to_the_fixed_network() -> None:
    page = made({"nasgd": [1.0], "none": [3.0]}, {"nasgd": [4.0], "none": [6.0]})
    assert "Over 2 data sets, NASGD ends 2.00 points below none" in page
    assert "clearly better than: none; clearly worse than: no method" in page
    assert "| nasgd | 1.00 | 4.00 | 1.00 |" in page


def test_one_set_has_the_interval_over_its_seeds() -> None:
    errors = {"nasgd": [3.0, 4.0, 5.0], "none": [2.0, 3.1, 4.0]}
    page = suite([a_sitting("one", errors)], a_suite(["one"]))["suite.md"].decode()
    assert "Over one data set, NASGD ends 0.97 points above none; 95% interval" in page
    assert "Sets on which it is clearly worse, by their seeds: 1 of 1." in page
    assert "clearly worse than: none" in page


def test_a_suite_without_a_fixed_network_says_how_to_add_one() -> None:
    page = made({"nasgd": [1.0], "nash": [3.0]}, {"nasgd": [4.0], "nash": [2.0]})
    assert "add one and run the same command again: suite.long.methods: [nasgd, nash, " in page
    assert "not told apart from: nash" in page


def test_the_best_fixed_network_of_each_set_stands_for_all() -> None:
    errors = {"nasgd": [3.0], "none": [2.0], "chain7": [5.0]}
    page = made(errors, {"nasgd": [3.0], "none": [5.0], "chain7": [2.5]})
    assert "NASGD ends 0.75 points above the best fixed network of each set" in page


def test_the_page_says_what_a_perfect_choice_would_win() -> None:
    errors = {"nasgd": [3.0], "none": [2.0], "chain7": [4.0]}
    page = made(errors, {"nasgd": [3.0], "none": [5.0], "chain7": [4.0]})
    table = page.split("## What a perfect choice would win")[1].split("##")[0]
    assert "| none | 1 | 1 | 0 | -0.50" in table and "| chain7 | 1 | 1 | 0 | -1.00" in table


def test_a_set_on_two_machines_is_no_sitting() -> None:
    errors = {"nasgd": [1.0], "none": [3.0]}
    assert "Warning" not in made(errors, errors)
    page = made(errors, errors, machines=["znver4", "znver3"])
    assert "Warning: the runs of two took place on more than one machine" in page
    assert "znver4; znver3" in page
