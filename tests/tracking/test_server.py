"""A mirror that is locked, away or broken costs a search seconds and no byte."""

from __future__ import annotations

import multiprocessing
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from mirrored import (
    PLACE,
    STARTED,
    content,
    files_of,
    idle,
    runs,
    uri,
    write_search,
    write_training,
)

from nasflow.tracking import mirror, pictures, server

pytestmark = pytest.mark.usefixtures("no_registry")


class Server(BaseHTTPRequestHandler):
    """A server that answers `/health` as told, and nothing else."""

    code = 200

    def do_GET(self) -> None:
        if self.path == "/health":
            self.send_response(self.code)
            self.end_headers()
        else:
            time.sleep(20)

    def log_message(self, *_: Any) -> None:
        pass


class Versioned(Server):
    """A server of another version of MLflow."""

    answer = "2.9.2"

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer.encode())


@pytest.mark.parametrize(
    ("answer", "old"),
    [("2.9.2", True), ("1.30.0\n", True), ("3.0.0", False), ("12.1", False), ("<html>", False)],
)
def test_an_old_server_is_told_in_one_line(answer: str, old: bool) -> None:
    with serving(type("Handler", (Versioned,), {"answer": answer})) as where:
        said = server.absence(where)
    wanted = (
        f"{where}: a server of MLflow {answer.strip()}; expected 3.0 or newer; upgrade the server"
    )
    assert said == (wanted if old else None)


@pytest.mark.parametrize(
    "uri", ["postgresql://me:S3CRET@x/y", "", "sqlite:///", "results", "file:a"]
)
def test_a_uri_that_cannot_work_is_refused(uri: str, tmp_path: Path) -> None:
    for call in (mirror.track_all, lambda _, where: server.local(where)):
        with pytest.raises(ValueError, match="expected sqlite:///FILE, http://SERVER or") as error:
            call(tmp_path, uri)
        assert "S3CRET" not in str(error.value)


@pytest.mark.parametrize("trouble", ["closed port", "no answer", "error 500", "hangs later"])
def test_a_server_that_is_away_costs_seconds_and_no_exception(tmp_path: Path, trouble: str) -> None:
    folder = write_training(tmp_path / "results/digits/nasgd/seed_0/pretrain", "", STARTED, 0.9)
    answers = trouble in ("error 500", "hangs later")
    handler = type("Handler", (Server,), {"code": 500 if trouble == "error 500" else 200})
    listener = socket.create_server(("127.0.0.1", 0)) if trouble == "no answer" else None
    http = HTTPServer(("127.0.0.1", 0), handler)
    if answers:
        Thread(target=http.serve_forever, daemon=True).start()
    else:
        http.server_close()
    port = listener.getsockname()[1] if listener else http.server_address[1]
    begin = idle()
    facts = mirror.track_pretrain(folder, uri=f"http://127.0.0.1:{port}", **PLACE)
    assert idle() - begin < 8
    assert facts["status"] == "pending"
    assert facts["error"]


def test_a_locked_database_costs_seconds_and_no_exception(results: Path) -> None:
    write_search(results, rounds=1)
    with closing(sqlite3.connect(results / "mlflow.db")) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        begin = idle()
        facts = mirror.track_all(results, uri(results))
        assert idle() - begin < 8
        connection.rollback()
    assert {f["status"] for f in facts.values()} == {"pending"}
    assert all("locked" in f["error"] for f in facts.values())


def test_four_processes_make_one_database_at_once(tmp_path: Path, no_pictures: None) -> None:
    results = tmp_path / "results"
    for seed in range(2):
        write_training(results / f"digits/nasgd/seed_{seed}/pretrain", "", STARTED, 0.9)
    with multiprocessing.get_context("fork").Pool(4) as pool:  # fork: mlflow is loaded already
        outputs = pool.starmap(mirror.track_all, [(results, uri(results))] * 4, chunksize=1)
    statuses = [f["status"] for facts in outputs for f in facts.values()]
    assert sorted(statuses) == ["logged"] * 2 + ["unchanged"] * 6
    assert len(runs(uri(results))) == 4


class Dripping(Server):
    """A server that sends one byte now and then, so that no wait for the next byte is long."""

    def do_GET(self) -> None:
        with suppress(OSError):
            for _ in range(40):
                self.wfile.write(b"H")
                time.sleep(0.5)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    http = HTTPServer(("127.0.0.1", 0), handler)
    Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_address[1]}"


@contextmanager
def refusing(_: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@contextmanager
def silent(_: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def locked(results: Path) -> Iterator[str]:
    with closing(sqlite3.connect(results / "mlflow.db")) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield uri(results)
        connection.rollback()


@contextmanager
def locked_later(results: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, locked(results) as where:
        patch.setattr(server, "absence", lambda _: None)
        patch.setattr(mirror, "PATIENCE", 2.0)
        yield where


@contextmanager
def taken(results: Path) -> Iterator[str]:
    lock = server.lock_of(uri(results), results)
    with pytest.MonkeyPatch.context() as patch, server.turn(lock):
        patch.setattr(mirror, "PATIENCE", 2.0)
        yield uri(results)


@contextmanager
def no_database(results: Path) -> Iterator[str]:
    (results / "mlflow.db").write_bytes(b"not SQLite, but long enough to be looked at as if" * 99)
    yield uri(results)
    (results / "mlflow.db").unlink()


@contextmanager
def deleted(results: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "pictures", lambda _: {})
        _mirrored_elsewhere(results)
    (results / "mlflow.db").unlink()
    yield uri(results)


def _mirrored_elsewhere(results: Path) -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:  # this process knows no database yet
        pool.apply(mirror.track_all, (results, uri(results)))


TROUBLES: dict[str, Callable[[Path], Any]] = {
    "refuses": refusing,
    "accepts and never answers": silent,
    "hangs later": lambda _: serving(Server),
    "drips": lambda _: serving(Dripping),
    "locked": locked,
    "locked later": locked_later,
    "another writer's turn": taken,
    "no database": no_database,
    "deleted": deleted,
    "no address": lambda _: nullcontext("http://[::1"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_costs_seconds_changes_no_byte_and_can_be_repaired(
    trouble: str, results: Path, undisturbed: dict[str, Any]
) -> None:
    search = write_search(results, rounds=1)
    before = files_of(results)
    with TROUBLES[trouble](results) as where:
        begin = idle()
        facts = mirror.track_round(search / "search/round_1", round=1, uri=where, **PLACE)
        assert idle() - begin < 8
    assert facts["status"] == ("logged" if trouble == "deleted" else "pending")
    assert bool(facts["error"]) == (trouble != "deleted")
    again = mirror.track_all(results, uri(results))
    assert [one["error"] for one in again.values()] == [None] * 3
    assert content(uri(results)) == undisturbed
    assert files_of(results) == before


def _timed(results: Path, seed: int) -> float:
    begin = idle()
    folder = results / f"digits/nasgd/seed_{seed}/pretrain"
    mirror.track_pretrain(folder, uri=uri(results), **PLACE | {"seed": seed})
    return idle() - begin


def test_four_searches_may_begin_at_once(tmp_path: Path, no_pictures: None) -> None:
    results = tmp_path / "results"
    for seed in range(4):
        write_training(results / f"digits/nasgd/seed_{seed}/pretrain", "", STARTED, 0.9)
    before = files_of(results)
    with multiprocessing.get_context("fork").Pool(4) as pool:  # fork: mlflow is loaded already
        took = pool.starmap(_timed, [(results, seed) for seed in range(4)], chunksize=1)
    assert max(took) < mirror.FIRST
    facts = mirror.track_all(results, uri(results))
    assert [one["error"] for one in facts.values()] == [None] * 4
    assert len(runs(uri(results))) == 8
    assert files_of(results) == before


def test_a_server_takes_and_serves_what_the_files_say(results: Path) -> None:
    search = write_search(results.with_name("source"), rounds=1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = "import sys; from nasflow.tracking import serving as t; t.serve(sys.argv[1], port="
    command = [sys.executable, "-c", f"{code}{port})", uri(results)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as served:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(1200):
                if server.absence(url) is None:
                    break
                time.sleep(0.1)
            facts = mirror.track_all(results.with_name("source"), url)
            assert [f["error"] for f in facts.values()] == [None] * 3
            over_http = content(url)
            files = mirror._client(url).list_artifacts(facts["digits/nasgd/seed_0/final"]["run_id"])
            names = {path.name for path in (search / "final").iterdir()}
            assert {file.path for file in files} == names | {"images", "architecture.svg"}
        finally:
            served.terminate()
    shutil.copy(results / "mlflow.db", results / "copy.db")
    assert content(f"sqlite:///{results / 'copy.db'}") == over_http
