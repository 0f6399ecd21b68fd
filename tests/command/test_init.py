"""`nasflow init` writes a sound experiment once."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from image_files import pictures

from nasflow.__main__ import main
from nasflow.config.kinds import Precision
from nasflow.planning import plan
from nasflow.planning.plan import PLENTY


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the measurement of the machine by an answer."""
    monkeypatch.setattr(plan, "measured", lambda *_: (Precision.FLOAT32, PLENTY))


@pytest.mark.usefixtures("quick")
def test_a_folder_is_made_once_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = pictures(tmp_path / "photos", {"a": [(40, 30)] * 9, "b": [(30, 40)] * 2}, "RGB")
    words = ["init", str(tmp_path / "My Leaves"), "--data", "folder", "--train", str(train)]
    assert main([*words, "--minutes", "5", "--cores", "2"]) == 0
    out = capsys.readouterr().out
    assert "11 images, of several sizes" in out and "2 classes, 2 to 9 images each" in out
    assert "uneven: 'a' has 4.5 times the images of 'b'" in out
    assert "with data.class_weights: balanced every class counts" in out
    assert "no problem found, experiment my_leaves" in out
    assert "resized to 30 x 30 (data.size)" in out
    assert "training images are not varied (augment)" in out  # black pictures say nothing
    folder = tmp_path / "My Leaves"
    assert main(["check", str(folder / "config.yaml")]) == 0
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "2", "-n"]
    done = subprocess.run(snakemake, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and "search_round" in done.stdout, done.stderr
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert main(words) == 2
    assert "not empty" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "--data: missing; expected one of digits"),
        (["--data", "digitz"], "--data: 'digitz'; expected one of digits"),
        (["--data", "folder"], "--train: missing"),
        (["--data", "digits", "--train", "x"], "--train: 'x'; --data digits has its own"),
        (["--data", "folder", "--train", "/none"], "--train: '/none' is no folder"),
        (["--data", "parquet", "--train", "/none"], "--train: '/none' is no file"),
        (["--data", "digits", "--minutes", "nan"], "--minutes: nan; expected 2 to 10000"),
        (["--data", "digits", "--device", "tpu"], "--device: 'tpu'; expected cpu"),
        (["--data", "digits", "--algorithm", "adam"], "--algorithm: 'adam'; expected one of"),
        (["--data", "digits", "--cores", "0"], "--cores: 0; expected 1 or more"),
        (["--data", "digits", "--cores", "-1"], "--cores: -1; expected 1 or more"),
    ],
)
@pytest.mark.usefixtures("quick")
def test_wrong_flags_are_one_line_and_write_nothing(
    words: list[str],
    problem: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["init", str(tmp_path / "new"), *words]) == 2
    err = capsys.readouterr().err
    assert problem in err and err.count("\n") == 1
    assert not (tmp_path / "new").exists()
