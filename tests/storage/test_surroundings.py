"""The status names the machine, and a change of machine is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small
from small import STAGES, STATUS

from nasflow.storage import attempt as attempts
from nasflow.storage.interruption import Stopped
from nasflow.storage.surroundings import surroundings


def _stop(run: Callable[..., None], folder: Path, out: Path, **options: Any) -> None:
    with pytest.raises(Stopped):
        run(folder, out, **options)


def test_the_status_names_the_machine_and_an_attempt_on_another_one_says_so(
    folder: Path,
    whole: dict[str, dict[str, bytes]],
    stop: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in STAGES:
        assert json.loads(whole[name][STATUS])["machine"] == surroundings("cpu")
    stop(3)
    _stop(small.final, folder, tmp_path)
    other = surroundings("cpu") | {"processor": "abacus"}
    monkeypatch.setattr(attempts, "surroundings", lambda _: other)
    small.final(folder, tmp_path)
    said = capsys.readouterr().err
    assert f"processor was {surroundings('cpu')['processor']}, is abacus: the result may" in said
    assert said.count("the result may differ in bits") == 1
    assert json.loads((tmp_path / STATUS).read_text())["machine"] == other
