"""A page that could not be written does not stay, and its command is told."""

from __future__ import annotations

from pathlib import Path

from nasflow.records.page_file import STAND_IN, is_stand_in, outcome


def test_a_stand_in_is_removed_and_says_the_command(tmp_path: Path) -> None:
    page = tmp_path / "results/digits/report.html"
    assert outcome(page) is None and not is_stand_in(page)
    page.parent.mkdir(parents=True)
    page.write_text(f"{STAND_IN}\n")
    assert is_stand_in(page)
    said = outcome(page)
    assert said is not None and f"nasflow report {page.parent} writes it again" in said
    assert not page.exists()
    page.write_text("<!doctype html>")
    assert outcome(page) == f"  report         {page}" and page.exists()
