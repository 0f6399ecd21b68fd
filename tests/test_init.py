"""`nasflow init`: what it writes is a sound experiment, for any images and any time."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nasflow.__main__ import main
from nasflow.command import init as module
from nasflow.command.choices import Choice, named
from nasflow.command.experiment_files import config_text
from nasflow.command.init import told
from nasflow.command.sizing import CHILDREN, lengths, narrowed, shape
from nasflow.command.survey import Survey, survey
from nasflow.config import files as config_file

SPEED = 2e11


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is not measured."""
    monkeypatch.setattr(module, "_speed", lambda *_: SPEED)


def pictures(folder: Path, sizes: dict[str, list[tuple[int, int]]], mode: str = "L") -> Path:
    for name, extents in sizes.items():
        (folder / name).mkdir(parents=True)
        for i, extent in enumerate(extents):
            Image.new(mode, extent).save(folder / name / f"{i}.png")
    return folder


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    classes = draw(st.integers(2, 200))
    images = draw(st.integers(10 * classes, 10**6))
    side = st.integers(8, 600)
    size = (draw(side), draw(side), draw(st.sampled_from([1, 3])))
    counts = {str(i): images // classes for i in range(classes)}
    return Survey(images, draw(st.sampled_from([0, 100])), size, draw(st.booleans()), counts)


@settings(deadline=None)
@given(surveys(), st.floats(2, 1e4), st.floats(1e9, 1e15), st.booleans())
def test_any_survey_time_and_speed_give_a_config_that_is_accepted(
    found: Survey, minutes: float, speed: float, gpu: bool
) -> None:
    device = "cuda" if gpu else "cpu"
    where = Path("/photos/it's {x} #1")
    chosen = Choice("mine", "folder", where, where, minutes, "nasagd", device, 4)
    shaped = narrowed(shape(found, minutes), len(found.classes), minutes, speed)
    sized = lengths(shaped, len(found.classes), minutes, speed)
    text = config_text(chosen, shaped, sized, None if gpu else speed)
    experiment = config_file.experiment([], yaml.safe_load(text))
    assert experiment.data.train == str(where)
    assert experiment.budget.flops is not None
    assert experiment.budget.flops > shaped.base(len(found.classes)).flops
    assert shaped.batch <= shaped.train and shaped.validation_batch <= shaped.validation


@pytest.mark.parametrize("minutes", [10, 20, 60, 600])
def test_the_stages_take_the_time_that_was_given(minutes: float) -> None:
    found = Survey(50_000, 10_000, (32, 32, 3), True, {str(i): 5000 for i in range(10)})
    shaped = narrowed(shape(found, minutes), 10, minutes, SPEED)
    sized = lengths(shaped, 10, minutes, SPEED)
    pretrain = 3 * shaped.base(10).flops * shaped.train * sized.pretrain_epochs
    mean = (shaped.base(10).flops + sized.max_flops) / 2
    images = 3 * shaped.batch + shaped.validation_batch
    search = sized.steps * (CHILDREN + 1) * mean * images
    seconds = (pretrain + search + sized.final_flops) / SPEED
    assert (0.7 if minutes <= 60 else 0.3) * 60 * minutes <= seconds <= 1.1 * 60 * minutes
    passes = sized.final_flops / (3 * sized.max_flops * shaped.train)
    assert passes >= 14  # even of the largest network that the search may find


@pytest.mark.usefixtures("quick")
def test_a_folder_is_made_once_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = pictures(tmp_path / "photos", {"a": [(40, 30)] * 9, "b": [(30, 40)] * 2}, "RGB")
    words = ["init", str(tmp_path / "My Leaves"), "--data", "folder", "--train", str(train)]
    assert main([*words, "--minutes", "5", "--cores", "2"]) == 0
    out = capsys.readouterr().out
    assert "11 images, of several sizes" in out and "2 classes, 2 to 9 images each" in out
    assert "uneven: 'a' has 4.5 times the images of 'b'" in out
    assert "no problem found, experiment my_leaves" in out
    assert "resized to 30 x 30 (data.size)" in out
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


def test_headers_are_enough_for_a_survey(tmp_path: Path) -> None:
    train = pictures(tmp_path / "train", {"x": [(20, 10)] * 3, "y": [(20, 10)]})
    found = survey("folder", train, train)
    assert found == Survey(4, 4, (10, 20, 1), True, {"x": 3, "y": 1})
    (train / "x" / "4.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"4\.png: no picture"):
        survey("folder", train, None)
    shutil.rmtree(train / "x")
    assert survey("folder", train, None).classes == {"y": 1}


def test_a_uniform_set_is_told_without_a_warning() -> None:
    found = Survey(100, 20, (8, 8, 1), True, {"a": 50, "b": 50})
    assert told(found, shape(found, 5)) == [
        "100 images, 8 x 8, grey, 20 test images",
        "2 classes, 50 images each",
    ]


@settings(deadline=None)
@given(st.text())
def test_any_folder_gives_a_name_that_an_experiment_may_have(text: str) -> None:
    clean = text.replace("/", "").replace("\0", "") or "x"
    config_file.experiment([], {"experiment": named(Path("/tmp") / clean), "budget": {"rounds": 1}})


def test_the_machine_is_measured_by_training(capsys: pytest.CaptureFixture[str]) -> None:
    found = Survey(100, 20, (8, 8, 1), True, {"a": 50, "b": 50})
    chosen = Choice("mine", "digits", None, None, 5, "nasgd", "cpu", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PATIENCE", 0.1)
        speed = module._speed(chosen, shape(found, 5), 2)
    assert np.isfinite(speed) and speed > 1e6
    assert "training measured: " in capsys.readouterr().out
