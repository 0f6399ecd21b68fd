"""`nasflow fit` plans, runs and tells; it goes on, and its last line says what is wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from image_files import pictures
from PIL import Image

from nasflow.__main__ import main
from nasflow.command.fit import _failed
from nasflow.config.kinds import Precision
from nasflow.planning import plan

# A run of seconds: two networks for a moment, and 20 steps of the final training.
SHORT = [
    *("--set", "base.portfolio=[chain6, airbench]"),
    *("--set", "budget.rounds=1", "--set", "budget.seconds=60", "--set", "search.max_steps=3"),
    *("--set", "final.total_seconds=null"),
    *("--set", "final.epochs=1", "--set", "tracking.enabled=false"),
]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures of two classes, bright and dark."""
    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("bright", 120)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(40):
            pixels = rng.integers(low, low + 120, (12, 12, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def program(folder: Path, *words: str, **more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nasflow", "fit", "--minutes", "2", "--cores", "1", *SHORT]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, *words], cwd=folder, **pipe, **more)  # type: ignore[call-overload,no-any-return]


def run(folder: Path, *words: str) -> tuple[int, list[str], list[str]]:
    child = program(folder, *words)
    out, err = child.communicate(timeout=300)
    return child.returncode, out.splitlines(), err.splitlines()


def test_from_photos_to_a_network_and_again(photos: Path) -> None:
    here = photos.parent
    (photos / "dark" / "broken.png").write_bytes(b"no picture")
    code, out, err = run(here, "photos", "--size", "8")
    assert (code, err) == (
        2,
        [f"nasflow: {photos}/dark/broken.png: no picture; expected one of "
         "PNG, JPEG, BMP, GIF, PPM, TIFF, WEBP"],
    )  # fmt: skip
    assert not (here / "photos_nasflow").exists()
    (photos / "dark" / "broken.png").unlink()
    code, out, err = run(here, "photos", "--size", "8")
    assert (code, err) == (0, []), (out, err)
    told = [
        line[6:] for line in out if line[2:5].strip().rstrip("0123456789") == ":" or "/5 " in line
    ]
    assert [line.split()[0] for line in told if "/5 " in line] == ["1/5", "3/5", "4/5", "5/5"]
    assert any("was chosen among 2 networks" in line for line in out)
    assert any("of the 2:00 that you asked for" in line for line in out)
    network = next(line.split()[2] for line in out if line.startswith("  nasflow predict "))
    assert (here / network).with_name("network.safetensors").is_file()
    page = next(line.split()[1] for line in out if line.startswith("  report "))
    assert (here / page).is_file() and (here / "photos_nasflow/fit.log").is_file()
    code, out, err = run(here, "photos", "--size", "8")  # the same command: nothing is made again
    assert code == 0 and out[0] == "kept from before: images, search, training, test"
    assert not any("/5 " in line for line in out)
    assert any(line.endswith(f" {page}") for line in out)


def test_ctrl_c_and_sigterm_say_what_is_kept_and_the_same_command_goes_on(photos: Path) -> None:
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 75)):
        child = program(
            photos.parent, "photos", "--set", "final.epochs=9999", start_new_session=True
        )
        assert child.stdout is not None
        for line in child.stdout:
            assert "is missing" not in line, "a stage that never ended is not missing"
            if "3/5 " in line or line.startswith("kept from before: images, search"):
                break
        time.sleep(5.0)
        if number == signal.SIGINT:
            os.killpg(child.pid, number)  # as a terminal does
        else:
            child.send_signal(number)
        _, err = child.communicate(timeout=120)
        assert child.returncode == code, err
        assert err.splitlines()[-1] == (
            "nasflow: stopped; kept: images, search and the state of the stage that ran; the same "
            "command goes on from there"
        )


def test_the_exit_code_is_that_of_the_stage(capsys: pytest.CaptureFixture[str]) -> None:
    ended = SimpleNamespace(code=1, stopped_by=None, log=Path("fit.log"))
    seen = SimpleNamespace(names="images", done={1})
    for said, code, last in (
        ([], 1, "nasflow: Snakemake ended with exit code 1; fit.log tells why"),
        (["nasflow: odd", "nasflow: prepare failed (2): x.png: no picture"], 2, None),
    ):
        assert _failed(ended, seen, said) == code  # type: ignore[arg-type]
        assert capsys.readouterr().err.splitlines()[-1] == (last or said[-1])


def test_a_failure_is_the_last_line(photos: Path) -> None:
    here = photos.parent
    code, _, err = run(here, "photos", "--plan-only")
    assert (code, err) == (0, [])
    shutil.rmtree(photos / "dark")
    code, _, err = run(here, "photos", "--set", "data.validation_fraction=0.2")
    assert code == 2 and "1 class; expected 2 or more" in err[-1]


@pytest.mark.usefixtures("quick")
def test_plan_only_writes_what_init_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = pictures(tmp_path / "photos", {"a": [(40, 30)] * 9, "b": [(30, 40)] * 9}, "RGB")
    out = tmp_path / "same"
    words = ["--minutes", "5", "--cores", "2"]
    assert main(["fit", str(train), "--out", str(out), "--plan-only", *words]) == 0
    said = capsys.readouterr().out
    files = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    shutil.rmtree(out)
    assert main(["init", str(out), "--data", "folder", "--train", str(train), *words]) == 0
    assert capsys.readouterr().out == said
    assert {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()} == {
        name: content for name, content in files.items() if name != "fit.json"
    }


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the measurement of the machine by an answer."""
    monkeypatch.setattr(plan, "measured", lambda *_: (Precision.FLOAT32, 1.0))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["nowhere"], "PHOTOS: 'nowhere' not found"),
        (["digits", "--set", "final.epoch=1"], "final.epoch"),
        (["digits", "--set", "x"], "--set: 'x'; expected KEY=VALUE"),
        (["digits", "--seeds", "3"], "--minutes: 2; expected 6 or more"),
    ],
)
def test_wrong_words_are_one_line(
    words: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *words, "--minutes", "2", "--cores", "1", "--plan-only"]) == 2
    err = capsys.readouterr().err
    assert problem in err and err.count("\n") == 1
