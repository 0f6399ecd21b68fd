"""A database of a newer MLflow is told in one line."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mirrored import uri

from nasflow.tracking import server, versions


def test_a_newer_database_is_told_in_one_line(results: Path) -> None:
    assert server.absence(uri(results)) is None
    with closing(sqlite3.connect(results / "mlflow.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        connection.commit()
    said = server.absence(uri(results))
    assert said is not None
    assert "mlflow.db: a database of a newer MLflow (change 'ffffffffffff')" in said
    assert "install a newer one, or name another file" in said
    with pytest.raises(ValueError, match="a database of a newer MLflow"):
        server.local(uri(results))


def test_the_changes_that_mlflow_knows_are_found() -> None:
    assert len(versions._known()) > 40
    assert all(change.isalnum() for change in versions._known())


def test_a_database_is_not_refused_where_nothing_is_known_of_mlflow(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "_known", lambda: frozenset())
    assert server.absence(uri(results)) is None
