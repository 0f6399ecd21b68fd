"""The MLflow server or database behind a tracking URI: does it answer, whose turn is it, start one.

No import of mlflow: a server that is away is found out in at most 3 s, before mlflow is loaded.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

from nasflow.storage.files import MIRRORED

SQLITE = "sqlite:///"
PAGE = "#/experiments/{}/runs?workflowType=machine_learning"
TURN = 30.0  # seconds to wait for another writer of ours
ANSWER = 3.0  # seconds for a server or a database to answer
# Read by mlflow at its import and by its server. MLflow's own defaults retry for 247 s a call, send
# telemetry, run jobs without authentication and unpickle what is uploaded.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


def database(uri: str) -> Path | None:
    """The file of an SQLite URI; None for a server."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def artifacts(database: Path) -> Path:
    """Artifacts stand beside their database, so that both move together."""
    return database.with_name(MIRRORED)


def prepare_environment() -> None:
    """Variables that the user has set are kept."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def absence(uri: str) -> str | None:
    """Why nothing can be written now, or None. A database that is not there yet can be written."""
    try:
        path = database(uri)
        if path is None:
            with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=ANSWER):
                return None
        if path.exists():
            with closing(sqlite3.connect(path, timeout=ANSWER)) as connection:
                connection.execute("BEGIN IMMEDIATE")
        return None
    except urllib.error.HTTPError as error:
        return f"{uri} answers {error.code}" if error.code >= 500 else None
    except (OSError, ValueError, http.client.HTTPException, sqlite3.Error) as error:
        return f"{uri}: {error}"


def pages(path: Path, address: str) -> Iterator[tuple[str, str]]:
    """Each experiment of a local database and where its searches are shown."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", timeout=ANSWER, uri=True)) as connection:
        rows = connection.execute(
            "SELECT name, experiment_id FROM experiments WHERE lifecycle_stage = 'active'"
        ).fetchall()
    return ((name, f"{address}/{PAGE.format(number)}") for name, number in rows)


@contextmanager
def turn(lock: Path) -> Iterator[None]:
    """Exclusive among the processes of this machine; released by the system if the holder dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "a") as file:
        limit = time.monotonic() + TURN
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > limit:
                    raise TimeoutError(f"{lock} is held by another process") from None
                time.sleep(0.05)
        yield


def lock_of(uri: str, results: Path) -> Path:
    """Beside the database; for a server in the results folder."""
    path = database(uri)
    return results / "mlflow.lock" if path is None else path.with_name(path.name + ".lock")


def local(uri: str) -> Path:
    """The database of an SQLite URI; ValueError where none is."""
    path = database(uri)
    if path is None:
        raise ValueError(f"tracking.uri: {uri} is a server already; open it in a browser")
    if not path.exists():
        raise ValueError(f"{path}: not there yet; `nasflow track --all results` makes it")
    return path


def serve(uri: str, host: str = "127.0.0.1", port: int = 5000) -> NoReturn:
    """Become MLflow's server (the web page) over a local database. It has no login: leave it on the
    loopback address; under another name MLflow wants MLFLOW_SERVER_ALLOWED_HOSTS=name:port."""
    path = local(uri)
    prepare_environment()
    options = {
        "--backend-store-uri": uri,
        "--artifacts-destination": str(artifacts(path)),
        "--host": host,
        "--port": str(port),
        "--workers": "1",
    }
    words = [word for option in options.items() for word in option]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "server", *words])
