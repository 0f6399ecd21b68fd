"""The stages that write pages for people: the comparison, and the report of an experiment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse
from nasflow.storage import places
from nasflow.storage.files import consistent, write, write_json, write_page


def compare(*, config: str, results: Path, methods: Sequence[str], out: Path) -> None:
    """Write tables, figures and the page of a comparison of finished searches.

    Args:
        config: the whole experiment as JSON.
        results: folder of the experiment.
        methods: algorithms and ablations to compare.
        out: folder to write.
    """
    from nasflow.comparison.comparing import compared  # imports pandas and matplotlib

    experiment = parse(Experiment, json.loads(config))
    with consistent(results):
        made = compared(results, experiment, methods)
    files = {name: write(out / name, content) for name, content in made.items()}
    write_json(out / "files.json", {"schema": 1, "files": files})


def report(*, results: Path, config: str = "", out: Path | None = None) -> None:
    """Write the page of an experiment.

    Args:
        results: folder of the experiment.
        config: the whole experiment as JSON; without it the page says less.
        out: file to write; by default report.html in the folder of the experiment.
    """
    from nasflow.report.page import page  # imports altair

    if not config:  # the searches are found by their names
        places.tell(places.found(results))
    with consistent(results):
        made = page(results, json.loads(config or "null"))
    write_page(out or results / "report.html", made)
