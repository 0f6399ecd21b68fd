"""`nasflow ui` finds a port, tells an address that answers, and fails with one line."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from mirrored import uri

from nasflow.__main__ import main
from nasflow.tracking import serving


@contextmanager
def ui(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run `nasflow ui`; a test that fails does not wait for its end."""
    command = [sys.executable, "-m", "nasflow", "ui", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as running:
        try:
            yield running
        finally:
            running.terminate()


def test_another_port_is_taken_told_and_given_back(results: Path) -> None:
    with suppress(OSError):  # another program may listen there
        taken = socket.create_server((serving.HOST, serving.FIRST))
    with ui("--uri", uri(results)) as running:
        assert running.stdout is not None and running.stderr is not None
        moved, empty = running.stdout.readline(), running.stdout.readline()
        address = moved.split()[-1]
        assert f"another program listens on port {serving.FIRST}; this is http://127" in moved
        assert f"has no experiment yet; it is shown at {address}" in empty
        with urllib.request.urlopen(f"{address}/health") as answer:
            assert answer.status == 200
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
        assert running.stderr.read() == "nasflow: interrupted\n"
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{address}/health", timeout=3)
    with suppress(NameError):
        taken.close()


def test_a_port_is_free_or_refused() -> None:
    with socket.create_server((serving.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"--port: {port}; another program listens there"):
            serving.free_port(port)
    assert serving.free_port(port) == port
    for wrong in (0, -1, 65536):
        with pytest.raises(ValueError, match=f"--port: {wrong}; expected 1 to 65535"):
            serving.free_port(wrong)


def test_the_next_free_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((serving.HOST, 0)) as taken:
        monkeypatch.setattr(serving, "FIRST", taken.getsockname()[1])
        assert serving.FIRST < serving.free_port(None) < serving.FIRST + serving.MORE
        monkeypatch.setattr(serving, "MORE", 1)
        with pytest.raises(ValueError, match="are all taken"):
            serving.free_port(None)


def _nothing(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (name TEXT)")
        connection.commit()


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        connection.commit()


FAULTS: dict[str, tuple[Any, str]] = {
    "missing": (_nothing, "no such database yet"),
    "0 bytes": (lambda path: path.write_bytes(b""), "an empty database; `nasflow track --all"),
    "text": (lambda path: path.write_text("hello"), "file is not a database; expected a database"),
    "folder": (_folder, "expected a database of MLflow"),
    "foreign": (_foreign, "a database of another program"),
    "newer": (_newer, "a database of a newer MLflow"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_database_that_cannot_be_shown_is_one_line(
    fault: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, said = FAULTS[fault]
    damage(results / "mlflow.db")
    assert main(["ui", "--uri", uri(results)]) == 2
    lines = capsys.readouterr()
    assert lines.out == "" and lines.err.count("\n") == 1 and said in lines.err


def _server(words: list[str], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Put another program in the place of the server; return how it is called."""
    calls: list[Any] = []
    start = subprocess.Popen

    def popen(command: list[str], **options: Any) -> Any:
        calls.append((command, options))
        return start([sys.executable, "-c", *words], **options)

    monkeypatch.setattr(subprocess, "Popen", popen)
    return calls


def test_a_server_that_ends_is_an_error_and_tells_its_reason(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _server(["print('starting'); raise SystemExit('Error: out of luck\\nbye')"], monkeypatch)
    assert main(["ui", "--uri", uri(results)]) == 2
    lines = capsys.readouterr()
    assert lines.err == "nasflow: ui: MLflow's server has ended: Error: out of luck\n"
    assert lines.out == "", "no address is told"


def test_a_server_that_never_answers_is_ended(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _server(["import time; time.sleep(60)"], monkeypatch)
    monkeypatch.setattr(serving, "START", 0.5)
    assert main(["ui", "--uri", uri(results)]) == 2
    assert "MLflow's server does not answer: it said nothing" in capsys.readouterr().err


def test_the_server_takes_no_module_from_the_current_folder(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server imports what lies in its folder, so it starts in another one, with whole paths."""
    monkeypatch.chdir(results.parent)
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    calls = _server(["pass"], monkeypatch)
    with pytest.raises(ValueError, match="has ended"):
        serving.serve("sqlite:///results/mlflow.db")
    ((words, options),) = calls
    assert options["cwd"] == "/"
    assert words[1:5] == ["-P", "-m", "mlflow", "server"]
    assert f"sqlite:///{results / 'mlflow.db'}" in words
    assert str(results / "mlartifacts") in words
    assert options["env"]["PYTHONSAFEPATH"] == "1"
    assert options["env"]["MLFLOW_DISABLE_TELEMETRY"] == os.environ["MLFLOW_DISABLE_TELEMETRY"]
