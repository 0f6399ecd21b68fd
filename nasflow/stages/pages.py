"""What people look at: the comparison, and the page of an experiment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nasflow.config.experiment import Experiment, parse
from nasflow.storage.files import write, write_json, write_page


def compare(*, config: str, results: Path, methods: Sequence[str], out: Path) -> None:
    """Tables, figures and the page of a comparison of finished searches."""
    from nasflow.comparison.comparing import compared  # imports pandas and matplotlib

    experiment = parse(Experiment, json.loads(config))
    made = compared(results, experiment, methods)
    files = {name: write(out / name, content) for name, content in made.items()}
    write_json(out / "files.json", {"schema": 1, "files": files})


def report(*, results: Path, config: str = "", out: Path | None = None) -> None:
    """The page of an experiment, by default as report.html in its folder."""
    from nasflow.report.page import page  # imports altair

    write_page(out or results / "report.html", page(results, json.loads(config or "null")))
