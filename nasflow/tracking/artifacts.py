"""The files (in MLflow's words: artifacts) of a run: where they stand, and how they get there."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nasflow.tracking import server

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PROXIED = "mlflow-artifacts:/"  # beginning of the URI of files that a server serves


def upload(client: MlflowClient, run: Run, files: Mapping[str, bytes]) -> None:
    """Store files with a run.

    They go through the server; with a local database they go straight into the folder that
    `nasflow ui` will serve.

    Args:
        client: the client of the server or the database.
        run: the run.
        files: the content of each file by its path among the artifacts.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = place(client.tracking_uri, str(run.info.artifact_uri))
        for name, content in files.items():
            path = (folder or Path(temporary)) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if folder is None:
            client.log_artifacts(run.info.run_id, temporary)


def place(tracking_uri: str, uri: str) -> Path | None:
    """Return the path of the artifacts at `uri`, or None unless they stand beside a database."""
    path = server.database(tracking_uri)
    if path is None or not uri.startswith(PROXIED):
        return None
    return server.artifacts(path) / uri.removeprefix(PROXIED)
