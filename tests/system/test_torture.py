"""The slice of the trust sheet's harness that is quick, and that it can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torture
from torture import Row


def test_the_claims_of_the_trust_sheet_hold_in_a_fast_slice() -> None:
    command = [sys.executable, str(Path(torture.__file__)), "--fast"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert torture.PARTS
    for part in torture.PARTS:
        assert f"| {part} |" in done.stdout


def test_a_claim_that_does_not_hold_makes_the_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {"good": [Row("a", "1", True)], "bad": [Row("b", "2", True), Row("c", "3", False)]}
    monkeypatch.setattr(torture, "prepare", lambda *_: None)
    monkeypatch.setattr(
        torture, "PARTS", {name: lambda _, r=r: iter(r) for name, r in rows.items()}
    )
    for parts, code in (["good"], 0), (["bad"], 1), (["bad", "good"], 1), ([], 1):
        monkeypatch.setattr(sys, "argv", ["torture.py", *parts])
        assert torture.main() == code
    assert "| bad | c | 3 | NO |" in capsys.readouterr().out
