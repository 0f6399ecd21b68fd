"""Ctrl-C, a full disk, a folder for a file and a reader that has left: one line, the right code."""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from places import GOLDEN, ROOT

from nasflow.__main__ import main
from nasflow.command import commands, show
from nasflow.command.ending import ECHO, INTERRUPTED, Interrupt, explained

NETWORK = str(GOLDEN / "nasgd/seed_0/final/network")
PROGRAM = [sys.executable, "-m", "nasflow"]
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
SCRIPT = "import sys; from nasflow.__main__ import main; sys.exit(main())"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words that start nasflow as the installed command does."""
    script = tmp_path_factory.mktemp("bin") / "nasflow"
    script.write_text(SCRIPT)
    return [sys.executable, str(script)]


def shell(line: str, program: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `nasflow` is the program."""
    words = " ".join(f"'{word}'" for word in program)
    text = f'set -o pipefail; nasflow() {{ {words} "$@"; }}; {line}'
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["bash", "-c", text], capture_output=True, text=True, env=environment, **options
    )


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (f"nasflow show {GOLDEN} > /dev/full", 2, "No space left on device; make room"),
        ("nasflow --help > /dev/full", 2, "No space left on device; make room"),
        (f"nasflow verify {GOLDEN} > /dev/full", 2, "No space left on device; make room"),
        (f"nasflow show {GOLDEN} | true", 0, ""),
        ("nasflow --help | true", 0, ""),
        ("nasflow show --help | true", 0, ""),
        (f"nasflow show {GOLDEN} >&-", 0, ""),
        (f"nasflow show {GOLDEN} >&- 2>&-", 0, ""),
        (f"nasflow show {GOLDEN}/none 2> /dev/full", 2, ""),
        ("nasflow show 2> /dev/full", 2, ""),
    ],
)
def test_streams_that_fail(line: str, code: int, said: str, program: list[str]) -> None:
    done = shell(line, program)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("\n") == bool(said), done.stderr


def test_a_stage_outlasts_the_readers_of_its_messages(tmp_path: Path, program: list[str]) -> None:
    budget = json.dumps({"rounds": 1})
    line = f"nasflow plan --config '{budget}' --out plan.json 2>&1 >/dev/full | true"
    done = shell(line, program, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "plan.json").exists()


def test_a_name_that_the_terminal_does_not_know_is_escaped(program: list[str]) -> None:
    done = shell(f"PYTHONIOENCODING=ascii nasflow show {NETWORK}", program)
    assert done.returncode == 0
    assert not done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ["report", str(GOLDEN), "--out", "file/r.html"],
            2,
            "file: File exists; expected",
        ),
        (["report", str(GOLDEN), "--out", "folder"], 2, "folder: Is a directory; expected a file"),
        (["plan", "--config", '{"rounds": 1}', "--out", "file/x/y"], 2, "expected a folder where"),
        (["plan", "--config", '{"rounds": 1}', "--out", "folder"], 2, "folder: Is a directory"),
        (["plan", "--config", '{"rounds": 1}', "--out", "x" * 300], 2, "use shorter names"),
        (["plan", "--config", '{"rounds": 1}', "--out", "/proc/none/p"], 2, "/proc/none"),
    ],
)
def test_a_file_for_a_folder_and_a_folder_for_a_file(
    words: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("kept")
    Path("folder").mkdir()
    assert main(words) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.startswith("nasflow: ") and err.count("\n") == 1
    assert Path("file").read_text() == "kept"


@pytest.mark.parametrize("command", ["show", "verify", "check"])
def test_any_error_of_the_system_is_one_line_in_every_command(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    module = importlib.import_module(commands.COMMANDS[command].module)
    monkeypatch.setattr(module, command, full)
    assert main([command, "anything"]) == 2
    assert capsys.readouterr().err == (
        f"nasflow: {command}: No space left on device; make room on that disk, then run the same"
        " command again\n"
    )


def test_a_log_on_a_full_disk_costs_no_result(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    words = ["plan", "--config", '{"rounds": 1}', "--out", str(tmp_path / "p.json")]
    assert main([*words, "--log", str(tmp_path / "file/plan.log")]) == 0
    assert (tmp_path / "p.json").exists()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "a"),
            "a: Permission denied; check",
        ),
        (OSError(errno.EXDEV, "Cross-device link", "a", None, "b"), "b: Cross-device link"),
        (FileNotFoundError(errno.ENOENT, "No temporary directory"), "show: No temporary directory"),
        (OSError("two\nlines"), "show: two lines"),
        (OSError(), "show: OSError"),
    ],
)
def test_what_the_system_says(error: OSError, line: str) -> None:
    assert explained("show", error).startswith(line)


class _Interrupted:
    """A function of a command in which Ctrl-C is pressed."""

    def __init__(self, error: type[BaseException] | None) -> None:
        self._error = error

    def __call__(self, **_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt as pressed:
            if self._error is None:
                raise
            raise self._error("an import of numpy failed") from pressed


@pytest.mark.parametrize("error", [None, ImportError, SystemError, RuntimeError, ValueError])
def test_ctrl_c_is_one_line_also_where_an_import_turns_it_into_another_error(
    error: type[BaseException] | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(show, "show", _Interrupted(error))
    assert main(["show", str(GOLDEN)]) == INTERRUPTED
    assert capsys.readouterr().err.count("\n") == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    seen, now = Interrupt(), time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        seen(signal.SIGINT, None)
    seen(signal.SIGINT, None)
    assert left == [], "a copy of the first"
    monkeypatch.setattr(time, "monotonic", lambda: now + 2 * ECHO + 1)
    seen(signal.SIGINT, None)
    assert left == [INTERRUPTED]


@pytest.mark.parametrize("module", ["argparse", "pydantic", "torch"])
def test_ctrl_c_within_an_import(module: str, tmp_path: Path, program: list[str]) -> None:
    """The module that is imported sends the signal itself, so that the moment is certain."""
    (tmp_path / f"{module}.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)\n"
    )
    words = ["export", NETWORK, "--to", "python", "--out", str(tmp_path / "out")]
    environment = ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run([*program, *words], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (INTERRUPTED, "nasflow: interrupted\n")
    assert not (tmp_path / "out").exists()


SHADOWS = ("random", "queue", "copy", "json", "token", "select", "typing", "argparse", "numpy")


@pytest.mark.parametrize("words", [["-m", "nasflow"], ["-mnasflow"]])
def test_a_script_of_the_current_folder_takes_the_place_of_no_module(
    words: list[str], tmp_path: Path
) -> None:
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the folder ran')\n")
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *words, "show", str(GOLDEN)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("start", ["import nasflow", "import runpy, nasflow"])
def test_a_notebook_keeps_its_folder(start: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("print('mine')\n")
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT)}
    for words in (["-c", f"{start}; import mine"], ["-m", "own"]):
        (tmp_path / "own.py").write_text(f"{start}; import mine\n")
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, env=environment
        )
        assert done.stdout == "mine\n", done.stderr
