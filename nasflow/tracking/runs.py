"""Runs of MLflow: how they are found, filled with points and parameters, and deleted."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nasflow.records.curves import Point
from nasflow.tracking.artifacts import place
from nasflow.tracking.server import artifacts, database

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BATCH = 1000  # points per request: MLflow's limit, and 50 times faster than one request per point
RUN_ID = re.compile(r"[0-9a-f]{32}")
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"


def tagged(client: MlflowClient, experiment: str, tag: str, value: str) -> list[Run]:
    """Return the runs of an experiment (its id) whose tag has this value."""
    return list(client.search_runs([experiment], f"tags.`{tag}` = '{value}'"))


def points_of(client: MlflowClient, run: Run) -> set[tuple[str, int, float]]:
    """Return all points of a run as (key, step, value), with one request per key (about 15)."""
    histories = (client.get_metric_history(run.info.run_id, key) for key in run.data.metrics)
    return {(point.key, point.step, point.value) for history in histories for point in history}


def log(
    client: MlflowClient, run_id: str, points: Sequence[Point], parameters: Mapping[str, object]
) -> None:
    """Add parameters and points to a run, in as few requests as MLflow allows."""
    from mlflow.entities import Metric, Param

    if parameters:
        client.log_batch(run_id, params=[Param(k, str(v)) for k, v in parameters.items()])
    for start in range(0, len(points), BATCH):
        batch = points[start : start + BATCH]
        client.log_batch(run_id, [Metric(p.key, p.value, p.time, p.step) for p in batch])


def delete(client: MlflowClient, run: Run) -> None:
    """Hide a run until `mlflow gc`, and remove its files where they stand beside a database.

    Raises:
        ValueError: if the database does not name mlartifacts/EXPERIMENT/RUN_ID/artifacts as their
            place. Then nothing is removed.
    """
    files = place(client.tracking_uri, str(run.info.artifact_uri))
    if files is not None:
        root = artifacts(database(client.tracking_uri) or Path()).resolve()
        names = files.relative_to(root).parts
        known = RUN_ID.fullmatch(run.info.run_id)
        if not known or len(names) != 3 or names[1:] != (run.info.run_id, "artifacts"):
            raise ValueError(
                f"{files}: not the place of the files of run {run.info.run_id}; expected"
                f" {root}/EXPERIMENT/{run.info.run_id}/artifacts; use a new database"
            )
        shutil.rmtree(files.parent, ignore_errors=True)
    client.delete_run(run.info.run_id)
