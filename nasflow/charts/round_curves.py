"""One round as the rows that its charts are made of.

They are made once a round and shared by its charts, so that a page holds them once. Steps are
thinned evenly, the first and the last among them; no value is averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasflow.charts.charts import Row, colours, rounded
from nasflow.records.curves import thinned

COLUMNS = {
    "share": "share",
    "loss": "validation_loss",
    "energy": "energy",
    "phi": "phi",
    "training": "train_loss",
}
CONTENDER = 0.02  # share of the particles from which on a child counts for the range of a chart


class RoundCurves(NamedTuple):
    """`rows`: one a kept step and node, with `child` its name; `steps`: one a kept step. `began`:
    the first step at which particles moved, None where none did."""

    rows: list[Row]
    steps: list[Row]
    colours: dict[str, str]
    leader: str
    began: int | None

    @property
    def flowed(self) -> bool:
        """Whether there are particles: a baseline's round has none."""
        return bool(self.steps)

    def late(self, rows: Sequence[Row]) -> list[Row]:
        """Those from when the particles moved; else those of the second half."""
        half = rows[-1]["step"] / 2 if rows else 0
        return [row for row in rows if row["step"] >= (half if self.began is None else self.began)]

    @property
    def contenders(self) -> list[Row]:
        """Late rows of the parent and of those children that ever had particles worth a look: one
        bad child, or the noise of the first steps, would flatten all other lines."""
        known = {r["child"] for r in self.rows if not r["node"] or (r["share"] or 0) >= CONTENDER}
        return [row for row in self.late(self.rows) if row["child"] in known or not self.flowed]


def round_curves(
    particles: pa.Table,
    names: Sequence[str],
    winner: int,
    most: int,
    search: Mapping[str, Any] | None = None,
) -> RoundCurves:
    """From particles.parquet, `most` steps of it; `names` by node. The search section of the
    configuration says what the potential is, without it there is no free energy."""
    kept = _kept(particles, most)
    parents = {row["step"]: row for row in kept if row["node"] == 0}
    last = [row for row in kept if row["step"] == kept[-1]["step"]] if kept else []
    leader = winner or max(last, key=lambda row: row["share"] or 0.0, default={"node": 0})["node"]
    rows = []
    for row in kept:
        found = {name: rounded(row[column]) for name, column in COLUMNS.items()}
        rows.append(
            {"step": row["step"], "node": row["node"], "child": names[row["node"]], **found}
            | _lead(row, parents.get(row["step"]))
        )
    flowed = particles["count"].null_count == 0
    return RoundCurves(
        rows,
        _steps(kept, search) if flowed else [],
        dict(zip(names, colours(names, winner), strict=True)),
        names[leader],
        _began(particles),
    )


def _began(particles: pa.Table) -> int | None:
    moved = particles.filter(pc.greater(particles["moved"], 0))["step"]
    return int(pc.min(moved).as_py()) if len(moved) else None


def _kept(particles: pa.Table, most: int) -> list[Row]:
    steps = np.unique(particles["step"].to_numpy())
    if not len(steps):
        return []
    wanted = steps[thinned(len(steps), most)]
    mask = np.isin(particles["step"].to_numpy(), wanted)
    rows: list[Row] = particles.filter(pa.array(mask)).to_pylist()
    return rows


def _lead(row: Row, parent: Row | None) -> Row:
    """Of a child that is judged at this step, beside a parent that is."""
    if parent is None or row["validation_loss"] is None or parent["validation_loss"] is None:
        return {"lead": None, "error": None}
    lead = row["validation_loss"] - parent["validation_loss"]
    return {"lead": rounded(lead), "error": rounded(row["standard_error"])}


def _steps(kept: Sequence[Row], search: Mapping[str, Any] | None) -> list[Row]:
    """tau, w, F and the mean loss of the kept steps."""
    by_step: dict[int, list[Row]] = {}
    for row in kept:
        by_step.setdefault(row["step"], []).append(row)
    found = []
    for step, rows in by_step.items():
        f = np.array([row["share"] for row in rows])
        V = np.array([row["validation_loss"] for row in rows], dtype=float)  # null: NaN
        mean = float(np.nansum(f * V))
        free = None
        if search is not None:
            free = rounded(rows[0]["weight"] * float(entropy(f, search).sum()) + mean)
        facts = {"tau": rounded(rows[0]["tau"]), "weight": rounded(rows[0]["weight"])}
        found.append({"step": step, "free_energy": free, "mean_loss": rounded(mean), **facts})
    return found


def entropy(f: np.ndarray, search: Mapping[str, Any]) -> np.ndarray:
    """U(f), whose derivative is the potential."""
    if search["potential"] == "power":
        return np.asarray(f ** (search["beta"] + 1.0) / (search["beta"] + 1.0))
    if search["potential"] == "log":
        return np.asarray(f * np.log(np.maximum(f, np.finfo(float).tiny)) - f)
    return np.zeros_like(f)
