"""The page of a comparison stands alone and escapes what it shows."""

from __future__ import annotations

import re

import pandas as pd
from compared import TOTAL, an_experiment, runs_of

from nasflow.comparison import page as comparison_report
from nasflow.comparison import parts, tables
from nasflow.comparison.page import Part


def test_the_page_needs_no_other_file_and_escapes_what_it_shows() -> None:
    frame = pd.DataFrame({"a|b": ["<script>", "x|y"]})
    parts = [Part("A & B", "1 < 2", frame), Part("Figure", "", ("f.png", b"png"))]
    page = comparison_report.as_html("t", parts)
    assert "<script>" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "| x\\|y |" in comparison_report.as_markdown("t", parts)


def test_the_page_of_a_comparison_shows_what_no_search_would_have_given() -> None:
    runs, experiment = runs_of(["nasgd", "none"]), an_experiment(final=TOTAL)
    names = ("results", "methods", "ablations", "checklist")
    frames = dict.fromkeys(names, tables.results_table(runs, experiment))
    shown = parts.parts(experiment, runs, frames, {"anytime.png": b"", "errors.png": b""})
    assert [part.heading for part in shown][1] == "What no search would have given"
    assert "NASGD ends 1.00 points below the best fixed network, none" in shown[1].text
    assert isinstance(shown[1].content, pd.DataFrame) and len(shown[1].content) == 1
