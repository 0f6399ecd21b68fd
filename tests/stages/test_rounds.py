"""The stage `search_round`: its files do not depend on workers and tell one story."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import small
from powercut import code_of, inside
from rounds import RESULTS, TABLES, run

from nasflow.stages import rounds
from nasflow.storage.ahead import AHEAD
from nasflow.storage.attempt import SECONDS, Attempt
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import read_json
from nasflow.storage.made import KEEP
from nasflow.storage.tables import read_table
from nasflow.training.ranks import MEETING
from nasflow.training.snapshot import Snapshot


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        ("nasgd", {"validation": "paired"}),
        ("nasgd", {"validation": "independent"}),
        ("nasagd", {"second_order": {"kinetic": True}}),
        ("nasgd", {"proposal": "gradient", "n_morphisms": 2}),
        ("nasgd", {"weights": "fresh", "potential": "none"}),
        ("nasgd", {"equal": "flops", "moves": "compound"}),
        ("nash", {}),
        ("most_flops", {}),
        ("nasgraph", {}),
        ("random", {}),
        ("halving", {}),
    ],
)
def test_a_round_gives_the_same_bytes_for_any_number_of_workers(
    folder: Path, algorithm: str, options: dict[str, object]
) -> None:
    one = run(folder, "one", 1, algorithm, **options)
    three = run(folder, "three", 3, algorithm, **options)
    for name in RESULTS + TABLES:
        assert (one / name).read_bytes() == (three / name).read_bytes(), name


def test_records_tell_one_story(folder: Path) -> None:
    out = run(folder, "r", 1)
    status = json.loads((out / "status.json").read_text())
    particles = read_table(out / "particles.parquet").to_pandas()
    children = read_table(out / "architectures.parquet").to_pandas()
    assert len(particles) == status["steps"] * (status["children"] + 1)
    assert (particles.groupby("step")["count"].sum() == 1000 + status["children"]).all()
    before = particles[particles.step <= 50]
    parent = before[before.node == 0]
    assert len(parent) == 50
    assert (parent["count"] == 1000).all()  # the warm-up
    last = particles[particles.step == status["steps"]].set_index("node")
    assert (last["count_after"].to_numpy() == children["count"].to_numpy()).all()
    assert children[children.winner].fingerprint.item() == status["fingerprint"]
    assert read_checkpoint(out / "winner").k == status["k"] == status["steps"]


def test_a_diverging_search_says_which_key_to_lower(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(folder, "d", 1, lambda_start=10.0, lambda_final=10.0, friction=100.0)
    assert json.loads((out / "status.json").read_text())["reason"] == "diverged"
    assert "search.lambda_start" in capsys.readouterr().err


def test_a_round_of_nash_that_the_budget_cuts_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = run(folder, "cut", 1, "nash", budget={"steps": 3})
    assert read_json(cut / "status.json")["steps"] == 3
    assert "ended by the budget after 3 of " in capsys.readouterr().err
    whole = run(folder, "whole", 1, "nash")
    assert read_json(whole / "status.json")["steps"] > 3
    assert "budget" not in capsys.readouterr().err


def test_search_jobs_import_neither_torchvision_nor_mlflow_nor_pandas() -> None:
    code = (
        "import sys, nasflow.stages.rounds, nasflow.stages.training; "
        "print([m for m in ('torchvision', 'mlflow', 'pandas', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small data and a network that was pretrained on them."""
    return small.prepare(tmp_path_factory.mktemp("small"))


@pytest.fixture
def begun(small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small folder, in the environment of a job that nobody forces."""
    monkeypatch.setenv(KEEP, "1")
    return Path(shutil.copytree(small_folder, tmp_path / "work"))


ROUNDS = 3


def job(folder: Path, number: int, per_job: int, **more: Any) -> None:
    """Run the job of a round of a small search of three rounds, whose folder is `folder`."""
    options = small.options(folder, folder / f"round_{number}", **more)
    options |= {"round": number, "budget": json.dumps({"rounds": ROUNDS})}
    if number > 1:
        options["parent"] = folder / f"round_{number - 1}/winner"
    rounds.search_round(**options, device="cpu", threads=1, rounds_per_job=per_job)


def search(folder: Path, per_job: int, **more: Any) -> list[dict[str, bytes]]:
    """Run the jobs of a search in turn, and return the files of its rounds."""
    for number in range(1, ROUNDS + 1):
        job(folder, number, per_job, **more)
    return found(folder)


def found(folder: Path) -> list[dict[str, bytes]]:
    return [small.results(folder / f"round_{number}") for number in range(1, ROUNDS + 1)]


@pytest.fixture(scope="module")
def one_by_one(
    small_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, bytes]]:
    """The files of the rounds of a search with one round in each job."""
    folder = tmp_path_factory.mktemp("alone") / "work"
    return search(Path(shutil.copytree(small_folder, folder)), 1)


@pytest.mark.parametrize("algorithm", ["nasagd", "nash"])
def test_several_rounds_in_one_process_give_the_same_bytes(
    begun: Path, tmp_path: Path, algorithm: str
) -> None:
    other = Path(shutil.copytree(begun, tmp_path / "other"))
    assert search(begun, 5, algorithm=algorithm) == search(other, 1, algorithm=algorithm)


def test_a_job_computes_its_rounds_ahead_until_the_search_ends(
    begun: Path, one_by_one: list[dict[str, bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.time()
    job(begun, 1, 5)
    assert [path.name for path in sorted(begun.glob("round_*"))] == [
        "round_1",
        "round_2",
        "round_3",
    ]
    assert [path.name for path in (begun / "round_3").iterdir()] == [AHEAD]
    said = capsys.readouterr().err
    assert [f"round {number}/3: " in said for number in (1, 2, 3)] == [True] * 3
    took = time.time() - began
    for number in (2, 3):
        job(begun, number, 5)
        assert f"round_{number}: was computed ahead" in capsys.readouterr().err
    assert found(begun) == one_by_one
    statuses = [read_json(begun / f"round_{number}/status.json") for number in (1, 2, 3)]
    own = [status["seconds"] for status in statuses]
    sums = [status["totals"]["seconds"] for status in statuses]
    assert sums == pytest.approx([own[0], own[0] + own[1], sum(own)])
    assert 0.0 < sum(own) < took
    assert statuses[0]["started"] < statuses[1]["started"] < statuses[2]["started"]


def test_a_forced_job_computes_its_own_round_alone(
    begun: Path, one_by_one: list[dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job(begun, 1, 5)
    monkeypatch.setenv(KEEP, "")
    (begun / "round_2" / AHEAD / "particles.parquet").write_bytes(b"of an older program")
    job(begun, 2, 5)
    assert small.results(begun / "round_2") == one_by_one[1]
    assert not (begun / "round_3/status.json").exists()
    monkeypatch.setenv(KEEP, "1")
    job(begun, 3, 5)
    assert found(begun) == one_by_one


def test_rounds_that_are_there_are_not_computed_ahead(begun: Path) -> None:
    search(begun, 1)
    (begun / "round_1/particles.parquet").unlink()
    job(begun, 1, 5)
    assert not (begun / "round_2" / AHEAD).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_ends_what_is_computed_ahead_and_not_the_round_that_is_done(
    begun: Path,
    one_by_one: list[dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    with monkeypatch.context() as patch:
        after(patch, small.SEARCH["max_steps"] + 2, lambda: os.kill(os.getpid(), number))
        job(begun, 1, 3)
    assert f"round 2: not computed ahead: stopped by {number.name} after" in capsys.readouterr().err
    assert small.results(begun / "round_1") == one_by_one[0]
    assert (begun / "round_2/.resume").is_dir()
    assert not (begun / "round_3").exists()
    for later in (2, 3):
        job(begun, later, 3)
    assert "goes on after step" in capsys.readouterr().err
    assert found(begun) == one_by_one


def test_a_signal_at_the_end_of_a_round_is_not_forgotten(
    begun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rounds._write

    def write(*given: Any) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        real(*given)

    monkeypatch.setattr(rounds, "_write", write)
    job(begun, 1, 3)
    assert (begun / "round_1/status.json").is_file()
    assert not (begun / "round_2").exists()


def test_a_process_that_is_killed_in_a_later_round_costs_no_byte(
    begun: Path, one_by_one: list[dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed() -> None:
        os.environ[SECONDS] = "0"
        with pytest.MonkeyPatch.context() as patch:
            after(patch, small.SEARCH["max_steps"] + 3, lambda: os.kill(os.getpid(), 9))
            job(begun, 1, 3)

    assert code_of(inside(killed)) == -signal.SIGKILL
    assert small.results(begun / "round_1") == one_by_one[0]
    assert search(begun, 3) == one_by_one


def after(patch: pytest.MonkeyPatch, steps: int, act: Callable[[], None]) -> None:
    """Do something when a process has done so many steps of all its rounds together."""
    count, real = iter(range(1, 10**6)), Attempt.keep

    def keep(self: Attempt, step: int, make: Callable[[], Snapshot]) -> None:
        if next(count) == steps:
            act()
        real(self, step, make)

    patch.setattr(Attempt, "keep", keep)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory\nby far")])
def test_an_error_in_a_later_round_is_one_line_and_the_job_of_that_round_meets_it_itself(
    begun: Path,
    one_by_one: list[dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    real = rounds._write

    def write(result: Any, task: Any, *given: Any) -> None:
        real(result, task, *given)
        if task.number == 2:
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(rounds, "_write", write)
        job(begun, 1, 3)
        said = capsys.readouterr().err
        assert said.count("\n") == 3 and "round 2: not computed ahead: " in said
        assert not (begun / "round_2" / AHEAD).exists()
        with pytest.raises(type(error)):
            job(begun, 2, 3)
    assert search(begun, 3) == one_by_one


def test_two_ranks_compute_rounds_ahead_and_write_them_once(
    begun: Path, one_by_one: list[dict[str, bytes]], tmp_path: Path
) -> None:
    def as_rank(rank: int) -> None:
        os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        for number in (1, 2, 3):
            os.environ[MEETING] = str(tmp_path / f"meeting_{number}")
            job(begun, number, 2)

    children = [inside(partial(as_rank, rank)) for rank in range(2)]
    assert [code_of(child) for child in children] == [0, 0]
    assert found(begun) == one_by_one
