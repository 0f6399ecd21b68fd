"""Stages that are stopped at any step, or killed, end in the bytes of one that never was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import small
import torch
from killing import killed_until_done
from lacking import LACKING, reader, shorter
from powercut import die_at
from small import STAGES, STATUS, results, sketch

from nasflow.storage import attempt as attempts
from nasflow.storage.attempt import Attempt, attempt
from nasflow.storage.files import read_json, write_json
from nasflow.storage.generations import generations, write_generation
from nasflow.storage.interruption import ECHO, Stopped, interruption
from nasflow.storage.lock import Held, writer
from nasflow.storage.surroundings import surroundings
from nasflow.storage.tables import read_table
from nasflow.training import train
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import Snapshot


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.prepare(tmp_path_factory.mktemp("resume"))


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[str, dict[str, bytes]]:
    """The results of every stage without an interruption."""
    for name, run in STAGES.items():
        run(folder, folder / "whole" / name)
    return {name: results(folder / "whole" / name) for name in STAGES}


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Stop attempts after these steps, with a signal to this process; keep at every step or at
    none besides."""
    real = Attempt.keep

    def at(*steps: int, every: str = "60") -> None:
        def keep(self: Attempt, step: int, make: Callable[[], Snapshot]) -> None:
            if step in steps:
                os.kill(os.getpid(), signal.SIGTERM)
            real(self, step, make)

        monkeypatch.setenv(attempts.SECONDS, every)
        monkeypatch.setattr(Attempt, "keep", keep)

    return at


def _stop(run: Callable[..., None], folder: Path, out: Path, **options: Any) -> None:
    with pytest.raises(Stopped):
        run(folder, out, **options)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_stopped_after_any_step_goes_on_to_the_same_bytes(
    name: str, folder: Path, whole: dict[str, dict[str, bytes]], stop: Callable[..., None]
) -> None:
    steps = json.loads(whole[name][STATUS])["steps"]
    assert steps == 7
    for step in range(1, steps):
        out = folder / "stopped" / f"{name}_{step}"
        stop(step)
        _stop(STAGES[name], folder, out)
        assert not (out / STATUS).exists()
        STAGES[name](folder, out)
        assert results(out) == whole[name], step


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_stopped_after_every_step_ends_in_the_same_bytes(
    name: str, folder: Path, whole: dict[str, dict[str, bytes]], stop: Callable[..., None]
) -> None:
    stop(*range(1, 7))
    for _ in range(6):
        _stop(STAGES[name], folder, folder / "often" / name)
    STAGES[name](folder, folder / "often" / name)
    assert results(folder / "often" / name) == whole[name]


@pytest.mark.parametrize("what", LACKING)
def test_state_that_lacks_a_part_is_noticed(
    what: str,
    folder: Path,
    whole: dict[str, dict[str, bytes]],
    stop: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The proof that the tests above would see it."""
    name = what.split()[0]
    stop(5)
    _stop(STAGES[name], folder, tmp_path)
    monkeypatch.setattr(attempts, "generations", reader(LACKING[what]))
    STAGES[name](folder, tmp_path)
    assert results(tmp_path) != whole[name]


def test_losses_since_the_last_row_of_a_training_are_kept_and_missed(
    folder: Path, stop: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """35 steps with rows after the looks, at 4 and 7, and every 17 steps."""
    monkeypatch.setattr(train, "ROWS_PER_RUN", 2)
    small.final(folder, tmp_path / "whole", epochs=5.0)
    stop(6)
    for out in ("stopped", "lacking"):
        _stop(small.final, folder, tmp_path / out, epochs=5.0)
    small.final(folder, tmp_path / "stopped", epochs=5.0)
    assert results(tmp_path / "stopped") == results(tmp_path / "whole")
    monkeypatch.setattr(attempts, "generations", reader(partial(shorter, "recent")))
    small.final(folder, tmp_path / "lacking", epochs=5.0)
    assert results(tmp_path / "lacking") != results(tmp_path / "whole")


def test_a_training_by_seconds_goes_on_with_those_that_are_left(
    folder: Path, stop: Callable[..., None], tmp_path: Path
) -> None:
    spent = {"spent": {"epochs": 1.0, "seconds": 1.0}}
    write_json(folder / "pretrain/summary.json", spent)
    seconds = {"epochs": None, "total_seconds": 2.5}
    stop(5)
    _stop(small.final, folder, tmp_path, **seconds)
    began = time.monotonic()
    small.final(folder, tmp_path, **seconds)
    status, took = read_json(tmp_path / STATUS), time.monotonic() - began
    assert status["steps"] > 5 and 1.5 < status["seconds"] < 3.0
    assert took > 1.0
    rows = read_table(tmp_path / "history.parquet").to_pylist()
    assert rows[-1]["tau"] < 0.01 * max(row["tau"] for row in rows)
    assert rows[-1]["validation_loss"] is not None


def test_averages_that_forget_their_length_are_noticed(
    folder: Path,
    whole: dict[str, dict[str, bytes]],
    stop: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Siblings.restore
    stop(5)
    _stop(small.one_round, folder, tmp_path)
    monkeypatch.setattr(Siblings, "restore", lambda self, states, steps: real(self, states, 0))
    small.one_round(folder, tmp_path)
    assert results(tmp_path) != whole["nasgd"]


def _damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _newest(out: Path) -> Path:
    return max((out / ".resume").glob("*-*"), key=lambda p: int(p.name.split("-")[0]))


@pytest.mark.parametrize("file", ["manifest.json", "arrays.safetensors", "sibling_1.safetensors"])
def test_a_flipped_bit_in_the_newest_state_brings_back_the_one_before(
    file: str,
    folder: Path,
    whole: dict[str, dict[str, bytes]],
    stop: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop(5, every="0")
    _stop(small.one_round, folder, tmp_path)
    assert len(list((tmp_path / ".resume").glob("*-*"))) == 2
    _damage(_newest(tmp_path) / file)
    stop()
    small.one_round(folder, tmp_path)
    said = capsys.readouterr().err
    assert f"{file}: sha256" in said
    assert "goes on after step 4" in said
    assert results(tmp_path) == whole["nasgd"]


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"window": 6}, {"algorithm": "nasagd"}, {"max_steps": 6}]
)
def test_state_of_another_seed_or_config_is_not_used(
    other: dict[str, Any],
    folder: Path,
    stop: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop(4)
    _stop(small.one_round, folder, tmp_path / "a")
    stop()
    small.one_round(folder, tmp_path / "a", **other)
    assert "of other inputs or config and not used" in capsys.readouterr().err
    small.one_round(folder, tmp_path / "b", **other)
    assert results(tmp_path / "a") == results(tmp_path / "b")


def test_state_past_a_smaller_budget_is_not_used(
    folder: Path, stop: Callable[..., None], tmp_path: Path
) -> None:
    stop(4)
    _stop(small.one_round, folder, tmp_path / "a")
    stop()
    for name in "ab":
        small.one_round(folder, tmp_path / name, steps=3)
    assert results(tmp_path / "a") == results(tmp_path / "b")
    assert json.loads((tmp_path / "a" / STATUS).read_text())["steps"] == 3


def test_seconds_and_start_are_those_of_the_first_attempt_on(
    folder: Path, stop: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.time()
    stop(3)
    _stop(small.final, folder, tmp_path)
    file = next((tmp_path / ".resume").glob("*-*/manifest.json"))
    kept = json.loads(file.read_text())["about"]
    stop()
    time.sleep(0.3)
    resumed = time.time()
    small.final(folder, tmp_path)
    status = json.loads((tmp_path / STATUS).read_text())
    assert began <= status["started"] <= began + 0.3
    assert 0 < kept["seconds"] < status["seconds"] < kept["seconds"] + time.time() - resumed


def test_the_status_names_the_machine_and_an_attempt_on_another_one_says_so(
    folder: Path,
    whole: dict[str, dict[str, bytes]],
    stop: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in STAGES:
        assert json.loads(whole[name][STATUS])["machine"] == surroundings("cpu")
    stop(3)
    _stop(small.final, folder, tmp_path)
    other = surroundings("cpu") | {"processor": "abacus"}
    monkeypatch.setattr(attempts, "surroundings", lambda _: other)
    small.final(folder, tmp_path)
    said = capsys.readouterr().err
    assert f"processor was {surroundings('cpu')['processor']}, is abacus: the result may" in said
    assert said.count("the result may differ in bits") == 1
    assert json.loads((tmp_path / STATUS).read_text())["machine"] == other


class Killed(BaseException):
    """Ends an attempt without success."""


def test_a_stage_that_dies_again_and_again_falls_back_and_at_last_starts_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(attempts.SECONDS, "0")

    def start(*kept: int) -> int:
        """The step that an attempt, which is killed after more steps, goes on from."""
        found = None
        with suppress(Killed), attempt(tmp_path, {}, "cpu") as keeper:
            found = keeper.before(["g", "h"], 99)
            for step in kept:
                keeper.keep(step, partial(sketch, step))
            raise Killed
        return found.step if found else 0

    assert start(5, 9, 12) == 0
    assert [start() for _ in range(7)] == [12, 12, 12, 9, 9, 9, 0]
    said = capsys.readouterr().err
    assert "3 starts from the state after step 12 came no further" in said
    assert "3 starts from the state after step 9 came no further" in said
    start(5)
    assert [start(), start(), start(6), start()] == [5, 5, 5, 6]


def test_early_deaths_make_the_next_attempt_keep_sooner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(attempts.SECONDS, "0.2")
    for kept in (False, False, True):
        with suppress(Killed), attempt(tmp_path, {}, "cpu") as keeper:
            keeper.before(["g", "h"], 99)
            time.sleep(0.06)
            keeper.keep(1, lambda: sketch(1))
            assert bool(list((tmp_path / ".resume").glob("1-*"))) == kept
            raise Killed


def test_a_full_disk_costs_the_state_and_not_the_run(
    folder: Path,
    whole: dict[str, dict[str, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv(attempts.SECONDS, "0")
    monkeypatch.setattr(attempts, "write_generation", full)
    small.one_round(folder, tmp_path)
    assert results(tmp_path) == whole["nasgd"]
    assert "after step 3 could not be kept: [Errno 28]" in capsys.readouterr().err


def test_the_time_between_two_states_must_be_a_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv(attempts.SECONDS, text)
        with pytest.raises(ValueError, match=rf"NASFLOW_CHECKPOINT_SECONDS: {text}; expected"):
            small.one_round(folder, tmp_path)


def test_death_at_any_file_operation_of_a_save_leaves_the_old_or_the_new_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for operation in range(1, 1000):
        here = tmp_path / str(operation)
        for step in (1, 2):
            write_generation(here, sketch(step), {})
        died = die_at(operation, lambda here=here: write_generation(here, sketch(3), {}))
        found = [g.snapshot for g in generations(here)]
        assert found[0].step in (2, 3)
        for s in found:
            expected = sketch(s.step)
            assert repr(s.facts) == repr(expected.facts)
            assert all(np.array_equal(s.arrays[n], a, True) for n, a in expected.arrays.items())
            assert torch.equal(s.siblings[1]["x"], torch.ones(3))
        assert {p.name for p in here.iterdir()} == {g.name for g in generations(here)}
        if not died:
            break
    assert operation > 10
    assert capsys.readouterr().err == ""


def test_the_second_of_two_attempts_is_told_who_holds_the_folder(
    folder: Path, tmp_path: Path
) -> None:
    with writer(tmp_path), pytest.raises(Held, match=rf"process {os.getpid()} on .* since 20"):
        small.one_round(folder, tmp_path)
    small.one_round(folder, tmp_path)
    assert not (tmp_path / ".lock").exists()


def test_a_second_signal_ends_the_process_at_once() -> None:
    child = os.fork()
    if not child:
        try:
            with interruption() as seen:
                os.kill(os.getpid(), signal.SIGUSR1)
                os.kill(os.getpid(), signal.SIGTERM)  # an echo of the first
                time.sleep(1.1 * ECHO)
                os.kill(os.getpid(), signal.SIGUSR1)  # never ends a process
                if seen.number == signal.SIGUSR1:
                    os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGTERM


KILLS = 20


def test_a_round_killed_at_any_moment_ends_in_the_same_bytes(
    folder: Path, whole: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    rng, kills, run = np.random.default_rng(0), 0, 0
    while kills < KILLS:
        run += 1
        out = tmp_path / str(run)
        kills += killed_until_done(small.second, folder, out, 1, 0.6, rng).kills
        assert results(out) == whole["nasagd"]


class Process:
    """`python -m nasflow search_round` of 1000 steps, in a process of its own."""

    search: ClassVar = {"max_steps": 1000, "min_lead": 10.0}

    def __init__(self, folder: Path, out: Path, every: str) -> None:
        options = small.options(folder, out, algorithm="nasagd", **self.search)
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self.resume = out / ".resume"
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "nasflow", "search_round", *words],
            env=os.environ | {attempts.SECONDS: every},
            stderr=subprocess.PIPE,
            text=True,
        )

    def kept(self, more_than: int) -> int:
        """The step of the newest state, once it is past that one."""
        step = -1
        while self.popen.poll() is None and step <= more_than:
            time.sleep(0.01)
            names = [p.name for p in self.resume.glob("*-*") if not p.name.endswith(".tmp")]
            step = max((int(name.split("-")[0]) for name in names), default=-1)
        return step

    def end(self, number: int) -> tuple[int, str]:
        self.popen.send_signal(number)
        said = self.popen.communicate(timeout=60)[1]
        return self.popen.returncode, said


def test_a_killed_process_and_a_stopped_one_go_on_to_the_same_bytes(
    folder: Path, tmp_path: Path
) -> None:
    small.one_round(folder, tmp_path / "whole", algorithm="nasagd", **Process.search)
    out, step = tmp_path / "killed", 0
    for more in (3, 20):
        process = Process(folder, out, "0")
        step = process.kept(step + more)
        assert process.end(signal.SIGKILL)[0] == -signal.SIGKILL
    process = Process(folder, out, "0")
    process.kept(step + 1)
    second = Process(folder, out, "0").end(0)
    assert second[0] == 75
    assert f"process {process.popen.pid} on " in second[1]
    code, said = process.end(signal.SIGTERM)
    assert code == 75
    last = said.splitlines()[-1]
    assert last.startswith("nasflow: stopped by SIGTERM after step ")
    assert last.endswith("; the same command goes on from there")
    assert "Traceback" not in said
    assert not (out / STATUS).exists()
    small.one_round(folder, out, algorithm="nasagd", **Process.search)
    assert results(out) == results(tmp_path / "whole")
