"""`nasflow init` writes a sound experiment once."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from nasflow.__main__ import main
from nasflow.command import init as module
from nasflow.command import speed
from nasflow.command.augmenting import Changes
from nasflow.command.choices import Choice
from nasflow.command.init import PLENTY, told
from nasflow.command.sizing import shape
from nasflow.command.speed import Speed
from nasflow.command.survey import Survey
from nasflow.config.kinds import Precision


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the measurement of the machine by an answer."""
    monkeypatch.setattr(module, "_measured", lambda *_: (Precision.FLOAT32, PLENTY))


def pictures(folder: Path, sizes: dict[str, list[tuple[int, int]]], mode: str = "L") -> Path:
    for name, extents in sizes.items():
        (folder / name).mkdir(parents=True)
        for i, extent in enumerate(extents):
            Image.new(mode, extent).save(folder / name / f"{i}.png")
    return folder


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


def test_a_uniform_set_is_told_without_a_warning() -> None:
    found = Survey(100, 20, (8, 8, 1), True, {"a": 50, "b": 50})
    assert told(found, shape(found, 5)) == [
        "100 images, 8 x 8, grey, 20 test images",
        "2 classes, 50 images each",
    ]


def test_the_machine_is_measured_by_training(capsys: pytest.CaptureFixture[str]) -> None:
    found = Survey(100, 20, (8, 8, 1), True, {"a": 50, "b": 50})
    chosen = Choice("mine", "digits", None, None, 5, "nasgd", "cpu", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PATIENCE", 0.1)
        precision, passes = module._measured(chosen, shape(found, 5), 2)
    out = capsys.readouterr().out
    assert precision in (Precision.FLOAT32, Precision.BFLOAT16) and passes > 0.0
    measured = rf"^training measured: \S+ FLOPs per second, 1 threads, {precision}; "
    assert re.search(measured + r"chain7 would see each image \d+ times", out)


def test_the_faster_number_format_is_taken_and_a_busy_machine_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shape(Survey(100, 20, (8, 8, 1), True, {"a": 50, "b": 50}), 5)
    chosen = Choice("mine", "digits", None, None, 5, "nasgd", "cpu", 2)
    for fast in (Precision.FLOAT32, Precision.BFLOAT16):
        speeds = {kind: Speed(1e11 * (1 + (kind == fast)), 0.5) for kind in Precision}
        monkeypatch.setattr(speed, "training_speed", lambda *given, s=speeds: s[given[-1]])
        assert module._measured(chosen, found, 2)[0] == fast
        assert "the threads could compute 50% of the time" in capsys.readouterr().out
    on_gpu = module._measured(chosen._replace(device="cuda"), found, 2)
    assert on_gpu == (Precision.BFLOAT16, PLENTY)


@pytest.mark.parametrize(
    ("allowed", "line"),
    [
        (Changes(False, False), "training images are not varied (augment)"),
        (Changes(True, False), "training images are mirrored (augment)"),
        (Changes(False, True), "training images are shifted by up to 2 px (augment)"),
        (Changes(True, True), "training images are mirrored and shifted by up to 2 px (augment)"),
    ],
)
def test_how_images_are_varied_is_told(allowed: Changes, line: str) -> None:
    assert module._augmented(allowed, 2) == [line]
