"""What final_model says about the mirror: nothing where it is off, and what is pending."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasflow.config.tracking import Tracking
from nasflow.storage.files import write_json
from nasflow.tracking.advice import advice

REFUSED = {"status": "pending", "error": "http://mlflow:5000: connection refused"}


@pytest.fixture
def search(tmp_path: Path) -> Path:
    for name in ("pretrain", "round_1"):
        write_json(tmp_path / f"tracking/{name}.json", {"schema": 1, "status": "logged"})
    return tmp_path


def test_nothing_is_said_where_the_mirror_is_off_or_nothing_was_mirrored(search: Path) -> None:
    assert list(advice([search], Tracking(enabled=False))) == []
    assert list(advice([search / "none"], Tracking())) == []


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("sqlite:///results/mlflow.db", "nasflow ui, then choose Model training"),
        ("sqlite:///a/b.db", "nasflow ui --uri sqlite:///a/b.db, then choose Model training"),
        ("http://mlflow:5000", "http://mlflow:5000: choose Model training"),
    ],
)
def test_it_says_where_the_mirror_is(search: Path, uri: str, said: str) -> None:
    assert list(advice([search], Tracking(uri=uri))) == [f"  MLflow         {said}"]


def test_it_says_what_is_pending_and_why(search: Path) -> None:
    write_json(search / "tracking/final.json", REFUSED)
    _, line = advice([search], Tracking(uri="http://mlflow:5000"))
    assert "1 of 3 stages were pending when they ended" in line
    assert "connection refused" in line
    assert "nasflow track --all results --uri http://mlflow:5000" in line
    for name in ("pretrain", "round_1"):
        write_json(search / f"tracking/{name}.json", REFUSED)
    (line,) = advice([search], Tracking())
    assert "3 of 3 stages" in line


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{"])
def test_a_damaged_record_costs_no_summary(search: Path, content: bytes) -> None:
    (search / "tracking/final.json").write_bytes(content)
    assert list(advice([search], Tracking()))
