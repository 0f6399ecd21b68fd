"""The files (in MLflow's words: artifacts) of a run: where they stand, and how they get there."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nasflow.storage.own_files import opened, own_folder
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
            with open(path, "wb", opener=opened) as file:
                file.write(content)
        if folder is None:
            client.log_artifacts(run.info.run_id, temporary)


def place(tracking_uri: str, uri: str) -> Path | None:
    """Find the artifacts of a run or a model.

    Args:
        tracking_uri: the URI of the database or the server.
        uri: the URI of the artifacts, which a database from somebody else may hold.

    Returns:
        Their path below the folder that lies beside the database. None for a server.

    Raises:
        ValueError: if the URI, or a symbolic link, leads out of that folder.
    """
    path = server.database(tracking_uri)
    if path is None:
        return None
    own_folder(server.artifacts(path))
    root = server.artifacts(path).resolve()
    place = root / uri.removeprefix(PROXIED)
    inside = uri.startswith(PROXIED) and root in place.parents and place.resolve() == place
    if not inside:
        raise ValueError(
            f"{path}: it says that files of a run stand at {uri}; expected a place in {root}; use"
            " a new database"
        )
    return place
