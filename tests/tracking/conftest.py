"""Results beside an empty mirror, and mirrors without models or pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mirrored import content, uri, write_search

from nasflow.tracking import mirror, pictures


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without experiments, copied by the tests: making one takes a second."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    mirror._client(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def no_registry() -> Iterator[None]:
    """No model is registered: these networks have no weights. Models: test_model.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirror, "_register", lambda *_: None)
        yield


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """No picture is drawn: the threads that draw do not outlive a fork."""
    monkeypatch.setattr(pictures, "pictures", lambda _: {})


@pytest.fixture
def results(tmp_path: Path, empty: Path) -> Path:
    """A folder of results beside an empty mirror."""
    folder = tmp_path / "results"
    folder.mkdir()
    shutil.copy(empty, folder / "mlflow.db")
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, empty: Path, no_registry: None
) -> dict[str, Any]:
    """What a mirror says when nothing went wrong."""
    results = tmp_path_factory.mktemp("undisturbed") / "results"
    write_search(results, rounds=1)
    shutil.copy(empty, results / "mlflow.db")
    mirror.track_all(results, uri(results))
    return content(uri(results))
