"""The last lines of a run: what each search found, how they compare, and at last the page."""

from __future__ import annotations

import shutil
from pathlib import Path

from nasflow.records.closing import closing


def test_the_page_is_the_last_line_behind_the_verdicts(tiny: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(tiny, tmp_path / "tiny"))
    (results / "nash").rename(results / "none")
    (results / "report.html").write_text("<!doctype html>")
    searches = [results / "nasgd/seed_0", results / "none/seed_0", results / "none/seed_1"]
    lines = list(closing(results, searches, ["  MLflow         x"]))
    assert lines[-1] == f"  report         {results / 'report.html'}"
    assert lines[-2] == "  MLflow         x"
    verdicts = [line for line in lines if line.startswith("  verdict        ")]
    assert len(verdicts) == 3 and "nasgd against none (the base network" in verdicts[-1]
    assert all(len(line) <= 100 for line in lines if line.startswith(("  verdict", " " * 17 + "w")))


def test_a_damaged_record_costs_the_comparison_alone(tiny: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(tiny, tmp_path / "tiny"))
    (results / "nash/seed_0/final/predictions.parquet").write_bytes(b"")
    searches = [results / "nasgd/seed_0", results / "nash/seed_0"]
    lines = list(closing(results, searches, ["  MLflow         x"]))
    assert "the searches are not compared" in lines[-2] and "predictions.parquet" in lines[-2]


def test_a_front_is_told_in_one_line(fronted: Path) -> None:
    (line,) = [one for one in closing(fronted.parents[1], [fronted]) if one.startswith("  front ")]
    assert line.startswith("  front          3 networks of ") and line.endswith("front/front.csv")
