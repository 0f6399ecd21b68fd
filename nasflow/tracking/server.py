"""The MLflow server or database behind a tracking URI: whether it answers, which process may write,
and how a server is started.

This module does not import mlflow, which takes seconds: an absent server is noticed before that.
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
from urllib.parse import quote

from nasflow.config.tracking import USERINFO, public
from nasflow.printable import shown
from nasflow.storage.files import MIRRORED
from nasflow.storage.own_files import opened

SQLITE = "sqlite:///"
PAGE = "#/experiments/{}/runs?workflowType=machine_learning"
TURN = 30.0  # seconds to wait for another writer of nasflow
ANSWER = 3.0  # seconds to wait for a server or a database at each attempt to read from it
OWN_TABLES = {"alembic_version", "experiments", "runs"}  # in every database of MLflow
# mlflow reads these at its import, and its server reads them too. With MLflow's own defaults a call
# retries for 247 s, telemetry is sent, jobs run without authentication, and uploads are unpickled.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


def database(uri: str) -> Path | None:
    """Return the file of an SQLite URI, None for the URI of a server."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def check(uri: str) -> None:
    """Refuse a URI with a user name or a password: the facts of each stage name the URI.

    Raises:
        ValueError: if the URI holds one of them.
    """
    if without := public(uri):
        raise ValueError(f"tracking.uri: {without}; {USERINFO}")


def artifacts(database: Path) -> Path:
    """Return the folder of a database's artifacts: beside it, so that both are moved together."""
    return database.with_name(MIRRORED)


def prepare_environment() -> None:
    """Set the variables of ENVIRONMENT, except those that the user has set."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def absence(uri: str) -> str | None:
    """Say why nothing can be written now, or return None where it can.

    A database that does not exist yet can be written: it will be made. A server that sends
    its answer byte by byte can hold this call for longer than ANSWER.
    """
    try:
        path = database(uri)
        if path is None:
            with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=ANSWER):
                return None
        if path.exists():
            with closing(sqlite3.connect(path, timeout=ANSWER)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                return _foreign(path, connection)
        return None
    except urllib.error.HTTPError as error:
        return f"{uri}: the server answers {error.code}" if error.code >= 500 else None
    except (OSError, ValueError, http.client.HTTPException, sqlite3.Error) as error:
        return f"{uri}: {error}"


def pages(path: Path, address: str) -> Iterator[tuple[str, str]]:
    """List the experiments of a local database.

    Args:
        path: the database.
        address: the address of the server that shows it, `http://HOST:PORT`.

    Returns:
        For each experiment its name and the address of the page with its searches.
    """
    with closing(_read_only(path)) as connection:
        rows = connection.execute(
            "SELECT name, experiment_id FROM experiments WHERE lifecycle_stage = 'active'"
        ).fetchall()
    return ((name, f"{address}/{PAGE.format(number)}") for name, number in rows)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", timeout=ANSWER, uri=True)


def _foreign(path: Path, connection: sqlite3.Connection) -> str | None:
    """Say that a database is that of another program, or return None for one of MLflow."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    names = {str(name) for (name,) in rows}
    if not names or names >= OWN_TABLES:
        return None
    return (
        f"{path}: a database of another program, with tables such as {shown(min(names))}; expected"
        " one of MLflow; name another file"
    )


@contextmanager
def turn(lock: Path) -> Iterator[None]:
    """Hold a lock for one process of this machine; the system frees it when that process ends.

    Raises:
        TimeoutError: if another process held the lock for TURN seconds.
        ValueError: if the lock is a symbolic link or no regular file.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "a", opener=opened) as file:
        limit = time.monotonic() + TURN
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > limit:
                    raise TimeoutError(f"{lock}: held by another process") from None
                time.sleep(0.05)
        yield


def lock_of(uri: str, results: Path) -> Path:
    """Return the path of the lock: beside the database, or in the results folder for a server."""
    path = database(uri)
    return results / "mlflow.lock" if path is None else path.with_name(path.name + ".lock")


def local(uri: str) -> Path:
    """Return the database of an SQLite URI.

    Raises:
        ValueError: if the URI is that of a server, if there is no database yet, or if it is the
            database of another program.
    """
    path = database(uri)
    check(uri)
    if path is None:
        raise ValueError(f"tracking.uri: {uri} is already a server; open it in a browser")
    if not path.exists():
        raise ValueError(f"{path}: no such database yet; `nasflow track --all results` makes it")
    try:
        with closing(_read_only(path)) as connection:
            foreign = _foreign(path, connection)
    except sqlite3.Error as error:
        raise ValueError(f"{path}: {error}; expected a database of MLflow") from error
    if foreign:
        raise ValueError(foreign)
    return path


def serve(uri: str, host: str = "127.0.0.1", port: int = 5000) -> NoReturn:
    """Become MLflow's server, which shows a local database as web pages.

    The server has no login, so leave it on the loopback address. To reach it under another name,
    set MLFLOW_SERVER_ALLOWED_HOSTS=name:port, which MLflow asks for.

    The server runs in the root folder. In the current folder, Python and uvicorn would import
    modules from the files that lie there, such as a `queue.py`.

    Args:
        uri: the SQLite URI of the database.
        host: the address to listen on.
        port: the port to listen on.

    Raises:
        ValueError: if there is no database, as `local` says.
    """
    path = local(uri).absolute()
    prepare_environment()
    options = {
        "--backend-store-uri": f"{SQLITE}{path}",
        "--artifacts-destination": str(artifacts(path)),
        "--host": host,
        "--port": str(port),
        "--workers": "1",
    }
    words = [word for option in options.items() for word in option]
    os.environ["PYTHONSAFEPATH"] = "1"  # as -P, for the processes that the server starts
    os.chdir("/")
    os.execv(sys.executable, [sys.executable, "-P", "-m", "mlflow", "server", *words])
