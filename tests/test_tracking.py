"""The MLflow mirror says what the files say, can be made again, and costs a search nothing."""

from __future__ import annotations

import multiprocessing
import re
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
from urllib.parse import unquote

import numpy as np
import pytest

from nasflow.architecture.architecture import chain
from nasflow.records import curves
from nasflow.storage.files import read_json, write_json
from nasflow.storage.tables import read_table, write_table
from nasflow.tracking import mirror, pictures, server, source, waiting

STARTED = 1_790_000_000.0
MORPHISMS = ["", "deepen", "widen", "connect_add", "deepen", "widen", "narrow", "shallow", "widen"]
NETWORK = chain((4, 8), 3, (1, 8, 8), 10).to_json()
PLACE: dict[str, Any] = {"experiment": "digits", "algorithm": "nasgd", "seed": 0}


def write_round(
    search: Path, number: int, steps: int = 300, seconds: float = 40.0, phi: float = 0.0
) -> Path:
    """A round whose mass moves from the parent to the best child; V falls, tau follows a cosine."""
    random = np.random.default_rng(number)
    folder = search / "search" / f"round_{number}"
    nodes = len(MORPHISMS)
    gain = np.concatenate([[0.0], random.normal(0.0, 0.04, nodes - 1)])
    winner = int(gain.argmax())
    rows = []
    for step in range(1, steps + 1):
        loss = (0.9 - 0.05 * number) * np.exp(-step / 400) - gain * step / steps
        loss = loss + random.normal(0, 0.004, nodes)
        mass = np.exp(12.0 * gain * step / steps)
        mass = mass / mass.sum()
        tau = 0.01 + 0.245 * (1 + np.cos(np.pi * (step % 150) / 150))
        for node in range(nodes):
            rows.append(
                {
                    "step": step,
                    "k": 300 * (number - 1) + step,
                    "node": node,
                    "count": int(1000 * mass[node]),
                    "share": float(mass[node]),
                    "validation_loss": float(loss[node]),
                    "train_loss": float(loss[node]) - 0.05,
                    "energy": float(loss[node] + 0.05 * np.log(mass[node])),
                    "tau": float(tau),
                    "moved": int(random.integers(0, 20)),
                    "weight": 0.05,
                    "standard_error": 0.003,
                    "phi": phi * step * node,
                    "restarted": False,
                }
            )
    last = rows[-nodes:]
    siblings = [
        {
            "node": node,
            "parent": f"{number - 1:016x}",
            "morphism": MORPHISMS[node],
            "site": f"conv_{node}" if node else "",
            "fingerprint": f"{number:08x}{node:08x}",
            "parameters": 6000 + 800 * number + 100 * node,
            "flops": 1_000_000 + 90_000 * number,
            "output_change": 0.01,
            "train_change": 0.02,
            "jump": 0.0,
            "count": last[node]["count"],
            "share": last[node]["share"],
            "validation_loss": last[node]["validation_loss"],
            "winner": node == winner,
        }
        for node in range(nodes)
    ]
    files = {
        name: write_table(folder / name, table)
        for name, table in (("particles.parquet", rows), ("architectures.parquet", siblings))
    }
    (folder / "winner.architecture.json").write_text(NETWORK)
    (folder / "winner.json").write_text("{}\n")
    facts = {
        "conv_layers": 3 + number // 2,
        "parameters": siblings[winner]["parameters"],
        "flops": siblings[winner]["flops"],
    }
    status = {
        "schema": 1,
        "stage": "search_round",
        "algorithm": "nasgd",
        "seed": 0,
        "round": number,
        "reason": "recentred" if winner else "max_steps",
        "winner": winner,
        "morphism": MORPHISMS[winner],
        "steps": steps,
        "k": 300 * number,
        "children": nodes - 1,
        "fingerprint": siblings[winner]["fingerprint"],
        **facts,
        "validation_loss": last[winner]["validation_loss"],
        "validation_accuracy": 0.9 + 0.01 * number,
        "seconds": seconds,
        "started": STARTED + 100 * number,
        "totals": {"rounds": number, "steps": 300 * number, "architectures": 8 * number} | facts,
        "files": files,
    }
    write_json(folder / "status.json", status)
    return folder


def write_training(folder: Path, stage: str, started: float, accuracy: float) -> Path:
    """A training of 500 steps that measures validation every 50th."""
    rows: list[dict[str, Any]] = []
    for step in range(1, 501):
        measured = step % 50 == 0
        rows.append(
            {
                "step": step,
                "epoch": step / 50,
                "tau": 0.25 * (1 + float(np.cos(np.pi * step / 500))),
                "train_loss": 2.3 * float(np.exp(-step / 150)),
                "validation_loss": 2.3 * float(np.exp(-step / 170)) if measured else None,
                "validation_accuracy": accuracy * step / 500 if measured else None,
            }
        )
    history = write_table(folder / "history.parquet", rows)
    (folder / "network.architecture.json").write_text(NETWORK)
    (folder / "network.json").write_text("{}\n")
    status = {
        "schema": 1,
        "stage": stage,
        "seconds": 60.0,
        "started": started,
        "steps": 500,
        "epochs": 10.0,
        "train_loss": 0.1,
        "validation_loss": 0.12,
        "validation_accuracy": accuracy,
        "parameters": 6000,
        "flops": 1_000_000,
        "fingerprint": "00aa",
        "files": {"history.parquet": history},
    }
    write_json(folder / "status.json", status)
    return folder


def write_search(results: Path, rounds: int = 2, seed: int = 0, final: bool = True) -> Path:
    """results/digits/nasgd/seed_s with everything that a finished search leaves."""
    search = results / "digits" / "nasgd" / f"seed_{seed}"
    write_training(search / "pretrain", "pretrain", STARTED, 0.9)
    for number in range(1, rounds + 1):
        write_round(search, number)
    if final:
        summary = {"reason": "rounds", "fingerprint": "00bb", "rounds": rounds}
        write_json(search / "search" / "summary.json", summary)
        write_training(search / "final", "final_train", STARTED + 5000, 0.97)
        metrics = {
            "schema": 1,
            "test_accuracy": 0.9625,
            "test_error": 0.0375,
            "test_loss": 0.13,
            "validation_accuracy": 0.97,
            "validation_loss": 0.12,
            "parameters": 9000,
            "flops": 1_300_000,
            "conv_layers": 4,
            "rounds": rounds,
            "recentred": rounds,
            "architectures": 8 * rounds,
            "steps": 300 * rounds,
            "seconds": {"pretrain": 60.0, "search": 80.0, "final": 60.0, "total": 200.0},
        }
        write_json(search / "final" / "metrics.json", metrics)
        (search / "final" / "summary.txt").write_text("test accuracy 96.25 %\n")
    return search


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without experiments, copied by the tests: making one takes a second."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    mirror._client(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module", autouse=True)
def no_registry() -> Iterator[None]:
    """These networks have no weights. Models: test_tracking_model.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirror, "_register", lambda *_: None)
        yield


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """What draws them has threads, which do not outlive a fork."""
    monkeypatch.setattr(pictures, "pictures", lambda _: {})


@pytest.fixture
def results(tmp_path: Path, empty: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    shutil.copy(empty, folder / "mlflow.db")
    return folder


def uri(results: Path) -> str:
    return f"sqlite:///{results / 'mlflow.db'}"


def runs(uri: str) -> dict[str, Any]:
    """nasflow.key -> run; a key that two runs have is an error."""
    client = mirror._client(uri)
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    keys = [run.data.tags["nasflow.key"] for run in found]
    assert len(keys) == len(set(keys))
    return dict(zip(keys, found, strict=True))


def curve(uri: str, run: Any, key: str) -> dict[int, float]:
    history = mirror._client(uri).get_metric_history(run.info.run_id, key)
    assert len({point.step for point in history}) == len(history)
    return {point.step: point.value for point in history}


def idle() -> float:
    """Seconds that went by without work: a busy machine makes work longer, no server does."""
    return time.monotonic() - waiting._busy()


def content(uri: str) -> dict[str, Any]:
    """All that a mirror says, without the ids of its runs."""
    found = runs(uri)
    names = {run.info.run_id: run.info.run_name for run in found.values()}
    said = {}
    for key, run in found.items():
        tags = dict(run.data.tags)
        tags["parent"] = names.get(tags.pop(mirror.PARENT, ""))
        for other, name in names.items():
            tags[mirror.NOTE] = tags[mirror.NOTE].replace(other, name)
        said[key] = (
            run.info.run_name,
            (run.info.start_time, run.info.end_time, run.info.status),
            tags,
            run.data.params,
            {name: curve(uri, run, name) for name in run.data.metrics},
        )
    return said


def test_curves_are_the_rows_of_the_files_thinned(results: Path) -> None:
    folder = write_round(results / "digits/nasgd/seed_0", 1, steps=450)
    facts = mirror.track_round(folder, round=1, uri=uri(results), **PLACE)
    assert (facts["status"], facts["error"]) == ("logged", None)
    run = runs(uri(results))["digits/nasgd/seed_0/search/round_1"]
    particles = read_table(folder / "particles.parquet").to_pylist()
    shown = 0
    for node, morphism in enumerate(MORPHISMS):
        for column in ("share", "validation_loss", "energy"):
            rows = {row["step"]: row[column] for row in particles if row["node"] == node}
            points = curve(uri(results), run, f"{column}/{node} {morphism or 'parent'}")
            assert len(points) == curves.CURVE
            assert {1, 450} <= points.keys()
            assert points.items() <= rows.items()
            shown += len(points)
    rows = {row["step"]: row["tau"] for row in particles}
    assert curve(uri(results), run, "tau").items() <= rows.items()
    assert shown < 10_000
    share = mirror._client(uri(results)).get_metric_history(run.info.run_id, "share/0 parent")
    assert share[-1].timestamp == int(1000 * (STARTED + 100 + 40.0))
    assert run.info.end_time == share[-1].timestamp


def test_large_neighbourhoods_stay_under_the_limit_of_a_run(tmp_path: Path) -> None:
    folder = write_round(tmp_path, 1, steps=250)
    particles = read_table(folder / "particles.parquet").to_pylist()
    siblings = read_table(folder / "architectures.parquet").to_pylist()
    more = range(0, 27 * 3, 9)
    tables = {"particles.parquet": particles, "architectures.parquet": siblings}
    files = {
        name: write_table(
            folder / name, [row | {"node": row["node"] + n} for n in more for row in rows]
        )
        for name, rows in tables.items()
    }
    write_json(folder / "status.json", read_json(folder / "status.json") | {"files": files})
    points = curves.of_round(folder)
    assert len({p.key for p in points if p.key.startswith("share/")}) == 81
    assert "share/04 deepen" in {p.key for p in points}
    assert 5_000 < len(points) < 10_000


def test_the_potential_is_a_curve_where_there_is_one(tmp_path: Path) -> None:
    first, second = (write_round(tmp_path, n, steps=9, phi=phi) for n, phi in ((1, 0.0), (2, 0.1)))
    assert not [p for p in curves.of_round(first) if p.key.startswith("phi/")]
    assert [p for p in curves.of_round(second) if p.key == "phi/3 connect_add"]


def test_a_round_without_a_legal_child_is_mirrored_too(tmp_path: Path) -> None:
    folder = write_round(tmp_path, 1, steps=2)
    only = read_table(folder / "architectures.parquet").to_pylist()[:1]
    files = {
        "particles.parquet": write_table(folder / "particles.parquet", []),
        "architectures.parquet": write_table(folder / "architectures.parquet", only),
    }
    ended = {"steps": 0, "children": 0, "reason": "exhausted", "files": files}
    write_json(folder / "status.json", read_json(folder / "status.json") | ended)
    assert {p.key for p in curves.of_round(folder)} >= {"validation_accuracy", "parameters"}


def test_missing_and_infinite_values_are_left_out(tmp_path: Path) -> None:
    folder = write_training(tmp_path, "pretrain", STARTED, 0.9)
    rows = read_table(folder / "history.parquet").to_pylist()
    rows[99]["validation_loss"] = float("inf")
    files = {"history.parquet": write_table(folder / "history.parquet", rows)}
    write_json(folder / "status.json", read_json(folder / "status.json") | {"files": files})
    points = curves.of_training(folder)
    steps = [p.step for p in points if p.key == "validation_loss"]
    assert steps == [50, 150, 200, 250, 300, 350, 400, 450, 500]
    assert [p.value for p in points if p.key == "parameters"] == [6000.0]


def test_a_search_is_one_run_over_rounds_with_its_test_metrics(results: Path) -> None:
    search = write_search(results)
    facts = mirror.track_all(results, uri(results))
    assert [f["status"] for f in facts.values()] == ["logged"] * 4
    parent = runs(uri(results))["digits/nasgd/seed_0"]
    accuracy = curve(uri(results), parent, "validation_accuracy")
    assert accuracy == {0: 0.9, 1: 0.91, 2: 0.92, 3: 0.97}
    assert parent.data.metrics["test_accuracy"] == 0.9625
    assert parent.data.metrics["effort/seconds_total"] == 200.0
    assert curve(uri(results), parent, "effort/steps") == {1: 300, 2: 300}
    assert curve(uri(results), parent, "effort/seconds_search") == {0: 80.0}
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["nasflow.source"] == "results/digits/nasgd/seed_0"
    assert {f["parent_run_id"] for f in facts.values()} == {parent.info.run_id}
    final = runs(uri(results))["digits/nasgd/seed_0/final"]
    stored = results / "mlartifacts" / "digits" / final.info.run_id / "artifacts" / "metrics.json"
    assert stored.read_bytes() == (search / "final" / "metrics.json").read_bytes()


def test_mirroring_twice_changes_nothing(results: Path) -> None:
    write_search(results, rounds=1)
    mirror.track_all(results, uri(results))
    before, ids = content(uri(results)), {r.info.run_id for r in runs(uri(results)).values()}
    again = mirror.track_all(results, uri(results))
    assert {f["status"] for f in again.values()} == {"unchanged"}
    assert content(uri(results)) == before
    assert {r.info.run_id for r in runs(uri(results)).values()} == ids


def test_a_changed_round_replaces_its_run_and_no_point_is_there_twice(results: Path) -> None:
    search = write_search(results, final=False)
    first = mirror.track_all(results, uri(results))
    folder = write_round(search, 1, steps=120, seconds=50.0)
    facts = mirror.track_round(folder, round=1, uri=uri(results), **PLACE)
    key = "digits/nasgd/seed_0/search/round_1"
    assert facts["status"] == "logged"
    assert facts["run_id"] != first[key]["run_id"]
    assert not (results / "mlartifacts" / "digits" / first[key]["run_id"]).exists()
    found = runs(uri(results))
    assert found[key].info.run_id == facts["run_id"]
    assert curve(uri(results), found["digits/nasgd/seed_0"], "effort/seconds") == {1: 50.0, 2: 40.0}
    parents = {r.data.tags[mirror.PARENT] for k, r in found.items() if k.count("/") > 2}
    assert parents == {found["digits/nasgd/seed_0"].info.run_id}


def test_a_lost_mirror_is_rebuilt_with_the_same_content(results: Path, empty: Path) -> None:
    write_search(results, rounds=1)
    mirror.track_all(results, uri(results))
    other = results.with_name("moved")
    shutil.copytree(results, other / "results", ignore=shutil.ignore_patterns("ml*"))
    shutil.copy(empty, other / "results" / "mlflow.db")
    facts = mirror.track_all(other / "results", uri(other / "results"))
    assert [f["status"] for f in facts.values()] == ["logged"] * 3
    assert content(uri(other / "results")) == content(uri(results))


def test_results_can_be_moved_with_their_mirror(results: Path) -> None:
    write_search(results, rounds=1)
    mirror.track_all(results, uri(results))
    moved = results.parent / "elsewhere" / "results"
    shutil.move(results, moved)
    facts = mirror.track_all(moved, uri(moved))
    assert {f["status"] for f in facts.values()} == {"unchanged"}
    with closing(sqlite3.connect(moved / "mlflow.db")) as connection:
        assert not [line for line in connection.iterdump() if str(results.parent) in line]


def test_an_interrupted_call_is_made_good(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_training(results / "digits/nasgd/seed_0/pretrain", "pretrain", STARTED, 0.9)
    with monkeypatch.context() as patch:
        patch.setattr(mirror, "_upload", lambda *_: 1 / 0)
        facts = mirror.track_pretrain(folder, uri=uri(results), **PLACE)
        assert (facts["status"], facts["run_id"]) == ("pending", None)
        assert facts["error"] == "ZeroDivisionError: division by zero"
    facts = mirror.track_pretrain(folder, uri=uri(results), **PLACE)
    assert facts["status"] == "logged"
    run = runs(uri(results))["digits/nasgd/seed_0/pretrain"]
    assert run.data.tags["nasflow.digest"] == facts["digest"]


def test_a_damaged_file_is_reported_and_does_not_stop_the_others(results: Path) -> None:
    search = write_search(results, rounds=1, final=False)
    (search / "pretrain" / "history.parquet").write_bytes(b"PAR1")
    facts = mirror.track_all(results, uri(results))
    assert [f["status"] for f in facts.values()] == ["pending", "logged"]
    assert "history.parquet" in facts["digits/nasgd/seed_0/pretrain"]["error"]


class Server(BaseHTTPRequestHandler):
    """`/health` as told; anything else gets no answer."""

    code = 200

    def do_GET(self) -> None:
        if self.path == "/health":
            self.send_response(self.code)
            self.end_headers()
        else:
            time.sleep(20)

    def log_message(self, *_: Any) -> None:
        pass


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
    """A byte now and then, so that no wait for the next one is long."""

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


def files_of(results: Path) -> dict[str, bytes]:
    """Everything but the mirror."""
    files = (path for path in results.rglob("*") if path.is_file())
    parts = ((path, str(path.relative_to(results))) for path in files)
    return {name: path.read_bytes() for path, name in parts if not name.startswith("ml")}


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, empty: Path, no_registry: None
) -> dict[str, Any]:
    """What a mirror says that nothing happened to."""
    results = tmp_path_factory.mktemp("undisturbed") / "results"
    write_search(results, rounds=1)
    shutil.copy(empty, results / "mlflow.db")
    mirror.track_all(results, uri(results))
    return content(uri(results))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_costs_seconds_and_no_byte_and_is_made_good(
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
    code = "import sys; from nasflow.tracking import server as t; t.serve(sys.argv[1], port="
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


def test_a_round_brings_its_pictures_and_its_description_shows_them(results: Path) -> None:
    search = write_search(results, rounds=2, final=False)
    (search / "search/round_2/winner.architecture.json").write_text(
        chain((4, 12), 3, (1, 8, 8), 10).to_json()
    )
    facts = mirror.track_all(results, uri(results))
    found = runs(uri(results))
    run = found["digits/nasgd/seed_0/search/round_2"]
    folder = results / "mlartifacts/digits" / run.info.run_id / "artifacts"
    assert "conv 3×3 · 12" in (folder / "architecture.svg").read_text()
    titles = ["architecture", "particle shares", "total energy", "validation loss"]
    shown = sorted(path.name.split("+")[0] for path in (folder / "images").glob("*.png"))
    assert shown == [f"charts~{title}" for title in titles]
    assert len(list((folder / "images").glob("*+compressed.webp"))) == 4
    links = re.findall(r"get-artifact\?path=([^&]+)&run_uuid=(\w+)", run.data.tags[mirror.NOTE])
    assert {unquote(path) for path, _ in links} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.png")
    }
    assert {run_id for _, run_id in links} == {facts[run.data.tags["nasflow.key"]]["run_id"]}
    story = found["digits/nasgd/seed_0"].data.tags[mirror.NOTE]
    assert f"| [2](#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}) |" in story


def test_the_report_stands_with_each_search_as_it_is_now(results: Path) -> None:
    write_search(results, rounds=1)
    mirror.track_all(results, uri(results))
    (results / "digits/report.html").write_text("<html>first</html>")
    run = runs(uri(results))["digits/nasgd/seed_0"]
    stored = results / "mlartifacts/digits" / run.info.run_id / "artifacts/report.html"
    for text in ("<html>first</html>", "<html>second</html>"):
        (results / "digits/report.html").write_text(text)
        said = [facts["status"] for facts in mirror.track_all(results, uri(results)).values()]
        assert said == ["logged", "unchanged", "unchanged"]
        assert stored.read_text() == text
    assert runs(uri(results))["digits/nasgd/seed_0"].info.run_id == run.info.run_id


def test_pictures_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    write_search(tmp_path / "results", rounds=1)
    for each in source.found(tmp_path / "results"):
        first, again = (pictures.files(each, pictures.pictures(each)) for _ in range(2))
        assert first == again
        assert all(content.startswith((b"\x89PNG", b"RIFF")) for content in first.values())


def test_a_call_that_works_is_waited_for_and_one_that_waits_is_not() -> None:
    def work() -> int:
        until = time.thread_time() + 0.6
        while time.thread_time() < until:
            sum(range(1000))
        return 7

    assert waiting.within(0.3, work) == 7
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        waiting.within(0.3, lambda: time.sleep(20))
    assert time.monotonic() - begin < 10


def test_mirroring_a_round_loads_no_torch(results: Path) -> None:
    folder = write_round(results / "digits/nasgd/seed_0", 1, steps=9)
    code = (
        "import sys; from nasflow.__main__ import main; main(sys.argv[1:]);"
        "print('torch' in sys.modules, 'mlflow' in sys.modules)"
    )
    options = {"kind": "round", "source": folder, "round": 1, "uri": uri(results), **PLACE}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-c", code, "track", *words, "--out", str(results / "o.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    assert read_json(results / "o.json")["status"] == "logged"


def test_a_title_and_the_files_name_the_stage(tmp_path: Path) -> None:
    search = write_search(tmp_path / "results", rounds=1)
    (search / "final" / "tracking.json").write_text("{}")
    (search / "final" / "network.safetensors").write_bytes(b"weights")
    found = list(source.found(tmp_path / "results"))
    winner = found[1].status["morphism"]
    titles = [source.title for source in found]
    assert titles == ["pretrain", f"round 01 · {winner}", "final training"]
    names = {path.name for path in found[2].files}
    assert not names & {"tracking.json", "network.safetensors"}
    assert {"metrics.json", "history.parquet", "summary.txt", "network.json"} <= names
