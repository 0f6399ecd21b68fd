"""What one sitting of a suite leaves behind: all runs of a data set, and the machine they ran on.

A sitting is the work on one data set: its runs take place on one machine, after one another.
Results of different sittings may come from different machines, so methods are only ever compared
within a sitting.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nasflow.comparison import tables
from nasflow.config.experiment import Experiment
from nasflow.config.suite import Length, experiment_name
from nasflow.records import curves
from nasflow.records.own_line import own_line
from nasflow.storage.files import read_json

Json = dict[str, Any]
RUN = ("method", "seed", "test_error", "validation_accuracy", "parameters", "flops", "rounds")
SPENT = ("recentred", "architectures", "epochs_total", "seconds_total", "fingerprint")
SOFTWARE = ("nasflow", "python", "torch", "system")
CPUINFO = Path("/proc/cpuinfo")


def sitting(folder: Path, experiment: Experiment, name: str) -> Json:
    """Read the runs of one data set, and name the machine.

    Args:
        folder: the folder of the set, which holds results/SET_SECONDS/METHOD/seed_S.
        experiment: the configuration of the suite.
        name: the name of the set.

    Returns:
        The content of sitting.json. `runs` has one row for each length, method and seed;
        `machines` has one text for each machine that the records name, in the order of time.

    Raises:
        CorruptFile: if a record is missing or damaged.
    """
    rows: list[Json] = []
    searches: list[Path] = []
    for length in experiment.suite.lengths:
        results = folder / "results" / experiment_name(name, length)
        rows += _runs(results, length)
        searches += [results / m / f"seed_{s}" for m in length.methods for s in length.seeds]
    stages = sorted(_stages(searches), key=lambda status: float(status["started"]))
    return {
        "schema": 1,
        "set": name,
        "host": host(),
        "machines": list(dict.fromkeys(_machine(status) for status in stages)),
        "began": stages[0]["started"],
        "ended": max(status["started"] + status["seconds"] for status in stages),
        "runs": rows,
    }


def host() -> str:
    """Name the processor of this machine and the number of its cores."""
    model = platform.processor() or platform.machine()
    if CPUINFO.exists():
        lines = CPUINFO.read_text().splitlines()
        named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        model = next(named, model)
    return f"{model}, {os.cpu_count()} cores"


def frame(sittings: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the runs of all sittings: one row for each set, length, method and seed."""
    rows = [{"set": found["set"], **row} for found in sittings for row in found["runs"]]
    return pd.DataFrame(rows)


def _runs(results: Path, length: Length) -> Iterator[Json]:
    found = tables.runs(results, length.methods, length.seeds)
    for row in found.to_dict("records"):
        search = results / str(row["method"]) / f"seed_{row['seed']}"
        kept = {name: row[name] for name in (*RUN, *SPENT)}
        yield {"seconds": length.seconds, **kept, "own_line": own_line(search)}


def _stages(searches: Sequence[Path]) -> Iterator[Json]:
    """Yield status.json of each stage that trained, and of no round that the search left over."""
    for search in searches:
        count = read_json(search / "search" / "summary.json")["rounds"]
        rounds = [path for number, path in curves.rounds(search).items() if number <= count]
        for path in (search / "pretrain/status.json", *rounds, search / "final/status.json"):
            yield read_json(path)


def _machine(status: Mapping[str, Any]) -> str:
    """Name the machine and the software of a stage, from its status.json."""
    found = status["machine"]
    software = ", ".join(f"{name} {found[name]}" for name in SOFTWARE)
    device = "" if found["device"] == "cpu" else f" with {found['device']}"
    return f"{found['processor']} ({found['cpu']}){device}, {software}"
