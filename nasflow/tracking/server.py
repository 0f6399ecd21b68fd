"""The MLflow server or database behind a tracking URI: whether it answers, and which process may
write. The module `serving` starts a server.

This module does not import mlflow, which takes seconds: an absent server is noticed before that.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from nasflow.config.tracking import USERINFO, public
from nasflow.printable import printable, shown
from nasflow.storage.files import MIRRORED
from nasflow.storage.own_files import opened
from nasflow.tracking.versions import new_database, old_server

SQLITE = "sqlite:///"
MAKE = "`nasflow track --all results`"
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
    """Refuse a URI that cannot work, and one with a user name or a password.

    The facts of each stage name the URI, so that it must hold no secret.

    Raises:
        ValueError: if it is neither the URI of a file nor of a server, or if it holds a secret.
    """
    if not re.match(r"(sqlite:///|https?://).", uri):
        scheme = printable(uri.partition(":")[0])  # what stands after it may hold a password
        raise ValueError(
            f"tracking.uri: {scheme}:...; expected sqlite:///FILE, http://SERVER or https://SERVER"
        )
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
                pass
            with urllib.request.urlopen(f"{uri.rstrip('/')}/version", timeout=ANSWER) as answer:
                return old_server(uri, answer.read(100).decode(errors="replace"))
        if path.exists():
            with closing(sqlite3.connect(path, timeout=ANSWER)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                return _foreign(path, connection) or new_database(path, connection)
        return None
    except urllib.error.HTTPError as error:
        return f"{uri}: the server answers {error.code}" if error.code >= 500 else None
    except (OSError, ValueError, http.client.HTTPException, sqlite3.Error) as error:
        return f"{uri}: {error}"


def read_only(path: Path) -> sqlite3.Connection:
    """Open a database so that nothing can be written."""
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


def _empty(path: Path, connection: sqlite3.Connection) -> str | None:
    """Say that a database has no tables, as a file of 0 bytes."""
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return None
    return f"{path}: an empty database; {MAKE} fills it"


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
        ValueError: if the URI is that of a server, if there is no database yet, if it is empty or
            that of another program, or if a newer MLflow made it.
    """
    path = database(uri)
    check(uri)
    if path is None:
        raise ValueError(f"tracking.uri: {uri} is already a server; open it in a browser")
    if not path.exists():
        raise ValueError(f"{path}: no such database yet; {MAKE} makes it")
    try:
        with closing(read_only(path)) as connection:
            problem = (
                _foreign(path, connection)
                or new_database(path, connection)
                or _empty(path, connection)
            )
    except sqlite3.Error as error:
        raise ValueError(
            f"{path}: {error}; expected a database of MLflow; move it away, and make a new one with"
            f" {MAKE}"
        ) from error
    if problem:
        raise ValueError(problem)
    return path
