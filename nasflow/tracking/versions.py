"""Which versions of MLflow made a database or answer as a server.

MLflow says nothing, or shows a traceback, where a database is newer than itself. The table
`alembic_version` names the last change of the tables, and each change that the installed MLflow
knows is a file whose name begins with the change. So mlflow, which takes seconds, is not imported.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from nasflow.printable import shown

LEAST = 3  # the oldest major version of a server that takes the models which MLflow 3 sends
CHANGES = "store/db_migrations/versions"


def new_database(path: Path, connection: sqlite3.Connection) -> str | None:
    """Say that a newer MLflow made a database, or return None.

    Args:
        path: the file, for the message.
        connection: the database; it may have no tables.
    """
    tables = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
    if not connection.execute(tables).fetchone()[0]:
        return None
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if found is None or not _known() or str(found[0]) in _known():
        return None
    return (
        f"{path}: a database of a newer MLflow (change {shown(found[0])}); this is MLflow"
        f" {version('mlflow')}; install a newer one, or name another file"
    )


@cache
def _known() -> frozenset[str]:
    """The changes of the tables that the installed MLflow knows."""
    package = find_spec("mlflow")
    places = package.submodule_search_locations if package else None
    files = (file for place in places or () for file in Path(place, CHANGES).glob("[!_]*_*.py"))
    return frozenset(file.name.partition("_")[0] for file in files)


def old_server(uri: str, answer: str) -> str | None:
    """Say that a server is too old, or return None.

    Args:
        uri: its address, for the message.
        answer: what it answers on `/version`: the version of MLflow, such as 3.17.2. Another text
            is not understood, and then nothing is known of the server.
    """
    major = answer.strip().partition(".")[0]
    if not major.isdecimal() or int(major) >= LEAST:
        return None
    return (
        f"{uri}: a server of MLflow {answer.strip()[:20]}; expected {LEAST}.0 or newer; upgrade the"
        " server"
    )
