"""A running stage tells how far it is, where somebody asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasflow.storage import running as module
from nasflow.storage.running import VARIABLE, Running, Told, running


def test_nothing_is_written_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    Told("final seed 0").tell(1, 2, "loss")
    assert list(tmp_path.iterdir()) == []


def test_a_stage_tells_at_intervals_and_removes_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    told, other = Told("nasgd seed 0 round 1/2"), Told("final seed 0")
    told.tell(1, 20, "loss 2.3")
    told.tell(2, 20, "too early")
    other.tell(5, 6, "loss 1.0")
    expected = [
        Running("final seed 0", 5, 6, "loss 1.0"),
        Running("nasgd seed 0 round 1/2", 1, 20, "loss 2.3"),
    ]
    assert running(tmp_path) == expected
    monkeypatch.setattr(module, "EVERY", 0.0)
    told.tell(3, 20, "loss 2.2")
    assert running(tmp_path)[1].note == "loss 2.2"
    told.end()
    other.end()
    assert list(tmp_path.iterdir()) == []
    told.end()


def test_a_folder_that_is_gone_and_a_damaged_file_harm_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone"))
    Told("final").tell(1, 2, "")
    assert running(tmp_path / "gone") == []
    (tmp_path / "a.json").write_text("[1")
    (tmp_path / "b.json").write_text("[]")
    (tmp_path / "c.json").write_text('["t", null, 1, ""]')
    assert running(tmp_path) == []
