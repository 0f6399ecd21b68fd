"""The files of one round, checked against one another and against the round before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from nasflow.records.findings import Findings
from nasflow.records.stage_files import Centre, Json, check_network, check_table
from nasflow.storage.files import read_json

TABLES = ("particles.parquet", "architectures.parquet")


def check_round(
    findings: Findings, folder: Path, number: int, before: Centre | None
) -> Centre | None:
    """Check the files of one round.

    Args:
        findings: collects what is broken.
        folder: the folder of the round.
        number: the number of the round, from 1.
        before: the network that the round must have started from. None when it is not known;
            then the round is checked on its own.

    Returns:
        The network that the round ended with, or None when its checkpoint or status.json is
        broken or missing.
    """
    path = folder / "status.json"
    status = findings.read(path, read_json)
    if status is None:
        return None
    found = check_network(findings, folder / "winner", status)
    particles, architectures = (check_table(findings, folder / name, status) for name in TABLES)
    findings.read(path, lambda path: _status(findings, path, status, number, found, before))
    if architectures is not None:
        findings.read(
            folder / TABLES[1], lambda path: _nodes(findings, path, architectures, status, before)
        )
    if particles is not None:
        findings.read(folder / TABLES[0], lambda path: _steps(findings, path, particles, status))
    return found


def _status(
    findings: Findings,
    path: Path,
    status: Json,
    number: int,
    found: Centre | None,
    before: Centre | None,
) -> None:
    """Compare status.json with the number of the round and with the networks around it."""
    findings.expect(
        path,
        round=((status["round"], status["totals"]["rounds"]), (number, number)),
        k=(status["k"], status["totals"]["steps"]),
    )
    if found:
        findings.expect(
            path,
            fingerprint=(status["fingerprint"], found.fingerprint),
            k=(status["k"], found.k),
        )
    if before:
        findings.expect(path, **{"k before": (status["k"] - status["steps"], before.k)})


def _nodes(
    findings: Findings, path: Path, table: pa.Table, status: Json, before: Centre | None
) -> None:
    """Compare architectures.parquet, one row for each node, with status.json and the parent."""
    rows = table.to_pylist()
    winners = [(row["node"], row["fingerprint"]) for row in rows if row["winner"]]
    findings.expect(
        path,
        nodes=([row["node"] for row in rows], list(range(status["children"] + 1))),
        winner=(winners, [(status["winner"], status["fingerprint"])]),
    )
    if before:
        parents = {row["parent"] for row in rows} | {rows[0]["fingerprint"]}
        findings.expect(path, parent=(parents, {before.fingerprint}))


def _steps_of(steps: list[int]) -> tuple[int, int, int]:
    """Return the first step, the last one, and how many different ones there are."""
    found = set(steps)
    return min(found, default=1), max(found, default=0), len(found)


def _steps(findings: Findings, path: Path, table: pa.Table, status: Json) -> None:
    """Compare particles.parquet, one row for each step and node, with status.json."""
    findings.expect(path, rows=(len(table), status["network_steps"]))
    step, node, k = (table[name].to_numpy() for name in ("step", "node", "k"))
    pairs = set(zip(step.tolist(), node.tolist(), strict=True))
    findings.expect(
        path,
        **{"different steps and nodes": (len(pairs), len(table))},
        steps=(_steps_of(step.tolist()), (1, status["steps"], status["steps"])),
        k=(bool(np.all(k == step - 1 + status["k"] - status["steps"])), True),
    )
