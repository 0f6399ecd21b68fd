"""Processes that are signalled or killed end in the same bytes when they go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import small
from killing import killed_until_done
from small import STATUS, results

from nasflow.storage import attempt as attempts
from nasflow.storage.interruption import ECHO, interruption


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


def test_a_handler_within_another_one_remembers_what_came_before() -> None:
    with interruption() as outer:
        os.kill(os.getpid(), signal.SIGUSR1)
        with interruption() as inner:
            assert inner.number == signal.SIGUSR1
        assert signal.getsignal(signal.SIGTERM) is outer
    assert signal.getsignal(signal.SIGTERM) is not outer


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
    """`python -m nasflow search_round` of 400 steps, in a process of its own."""

    search: ClassVar = {"max_steps": 400, "min_lead": 10.0}

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
        """Wait for a state after more than so many steps, and return its step."""
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
    process.popen.send_signal(signal.SIGSTOP)  # as if the round took hours
    second = Process(folder, out, "0").end(0)
    process.popen.send_signal(signal.SIGCONT)
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
