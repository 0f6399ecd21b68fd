"""One round as the rows from which its charts are made.

The rows are made once for each round and used by all its charts, so that a page holds them once.
Of a long round only some steps are kept, evenly spaced, the first and the last among them. No value
is averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasflow.charts.charts import Row, colours, rounded
from nasflow.config.kinds import Potential
from nasflow.config.search import Search
from nasflow.records.curves import thinned
from nasflow.records.particle_table import compared_loss, has_particles, with_share_after

COLUMNS = {
    "share": "share_after",
    "loss": "validation_loss",
    "energy": "energy",
    "phi": "phi",
    "training": "train_loss",
}
CONTENDER = 0.02  # a child counts for the range of a chart once it has held this share


class RoundCurves(NamedTuple):
    """The rows of the charts of one round.

    Attributes:
        rows: one row for each kept step and network, with the keys of COLUMNS, the network's name
            as `child`, and `lead` and `error`: its running validation loss minus the parent's, for
            a portfolio as it is predicted, and the standard error of that difference, in nats.
        steps: one row for each kept step, with what the round has as a whole; empty for a baseline.
        colours: the colour of each network, by name.
        leader: the name of the winner, or where no child won, of the network with most particles
            at the end.
        began: the first step at which particles moved; None where none did.
    """

    rows: list[Row]
    steps: list[Row]
    colours: dict[str, str]
    leader: str
    began: int | None

    @property
    def flowed(self) -> bool:
        """Whether the round has particles; the round of a baseline has none."""
        return bool(self.steps)

    def late(self, rows: Sequence[Row]) -> list[Row]:
        """Keep the rows since particles first moved; without moves, those of the second half."""
        half = rows[-1]["step"] / 2 if rows else 0
        return [row for row in rows if row["step"] >= (half if self.began is None else self.began)]

    @property
    def contenders(self) -> list[Row]:
        """The rows that set the range of a chart: late rows of the parent and of the children that
        once held at least CONTENDER of the particles. One bad child, or the noise of the first
        steps, would flatten all other lines."""
        known = {r["child"] for r in self.rows if not r["node"] or (r["share"] or 0) >= CONTENDER}
        return [row for row in self.late(self.rows) if row["child"] in known or not self.flowed]


def round_curves(
    particles: pa.Table,
    names: Sequence[str],
    winner: int,
    most: int,
    search: Search | None = None,
) -> RoundCurves:
    """Make the rows of the charts of one round.

    Args:
        particles: particles.parquet of the round.
        names: the names of the networks, by node.
        winner: the node that won; 0 where no child did.
        most: how many steps are kept, at most.
        search: the section `search` of the configuration. It says which entropy the round has;
            without it there is no free energy.
    """
    flowed = has_particles(particles)
    kept = _kept(with_share_after(particles) if flowed else _without_shares(particles), most)
    return RoundCurves(
        _rows(kept, names),
        _steps(kept, search) if flowed else [],
        dict(zip(names, colours(names, winner), strict=True)),
        names[winner or _fullest(kept)],
        _began(particles),
    )


def _rows(kept: Sequence[Row], names: Sequence[str]) -> list[Row]:
    parents = {row["step"]: row for row in kept if row["node"] == 0}
    rows = []
    for row in kept:
        found = {name: rounded(row[column]) for name, column in COLUMNS.items()}
        rows.append(
            {"step": row["step"], "node": row["node"], "child": names[row["node"]], **found}
            | _lead(row, parents.get(row["step"]))
        )
    return rows


def _fullest(kept: Sequence[Row]) -> int:
    """The node with most particles at the last step; 0 without steps or particles."""
    last = [row for row in kept if row["step"] == kept[-1]["step"]]
    fullest = max(last, key=lambda row: row["share_after"] or 0.0, default={"node": 0})
    return int(fullest["node"])


def _began(particles: pa.Table) -> int | None:
    moved = particles.filter(pc.greater(particles["moved"], 0))["step"]
    return int(pc.min(moved).as_py()) if len(moved) else None


def _without_shares(particles: pa.Table) -> pa.Table:
    """Add the column that `with_share_after` adds, as null."""
    return particles.append_column("share_after", pa.nulls(len(particles), pa.float64()))


def _kept(particles: pa.Table, most: int) -> list[Row]:
    steps = np.unique(particles["step"].to_numpy())
    if not len(steps):
        return []
    wanted = steps[thinned(len(steps), most)]
    mask = np.isin(particles["step"].to_numpy(), wanted)
    rows: list[Row] = particles.filter(pa.array(mask)).to_pylist()
    return rows


def _lead(row: Row, parent: Row | None) -> Row:
    """The difference from the parent, at a step where both losses were measured."""
    losses = compared_loss(row), compared_loss(parent) if parent else None
    if losses[0] is None or losses[1] is None:
        return {"lead": None, "error": None}
    lead = losses[0] - losses[1]
    return {"lead": rounded(lead), "error": rounded(row["standard_error"])}


def _steps(kept: Sequence[Row], search: Search | None) -> list[Row]:
    """The step size, the entropy weight, the free energy and the mean loss of the kept steps."""
    by_step: dict[int, list[Row]] = {}
    for row in kept:
        by_step.setdefault(row["step"], []).append(row)
    found = []
    for step, rows in by_step.items():
        f = np.array([row["share"] for row in rows])
        V = np.array([compared_loss(row) for row in rows], dtype=float)  # None: NaN
        mean = float(np.nansum(f * V))
        free = None
        if search is not None:
            free = rounded(rows[0]["weight"] * float(entropy(f, search).sum()) + mean)
        facts = {"tau": rounded(rows[0]["tau"]), "weight": rounded(rows[0]["weight"])}
        found.append({"step": step, "free_energy": free, "mean_loss": rounded(mean), **facts})
    return found


def entropy(f: np.ndarray, search: Search) -> np.ndarray:
    """Return U(f) for each share f; its derivative U'(f) is the potential of `flow.potential`.

    Args:
        f: shares of the particles, (m,).
        search: the section `search` of the configuration, with `potential` and `beta`.
    """
    if search.potential == Potential.POWER:
        return np.asarray(f ** (search.beta + 1.0) / (search.beta + 1.0))
    if search.potential == Potential.LOG:
        return np.asarray(f * np.log(np.maximum(f, np.finfo(float).tiny)) - f)
    return np.zeros_like(f)
