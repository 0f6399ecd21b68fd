"""The page of a comparison stands alone and escapes what it shows."""

from __future__ import annotations

import re

import pandas as pd

from nasflow.comparison import page as comparison_report
from nasflow.comparison.page import Part


def test_the_page_needs_no_other_file_and_escapes_what_it_shows() -> None:
    frame = pd.DataFrame({"a|b": ["<script>", "x|y"]})
    parts = [Part("A & B", "1 < 2", frame), Part("Figure", "", ("f.png", b"png"))]
    page = comparison_report.as_html("t", parts)
    assert "<script>" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "| x\\|y |" in comparison_report.as_markdown("t", parts)
