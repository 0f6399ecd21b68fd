"""The live line: seen on a terminal, silent elsewhere, shared by stages, and cheap."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest

from nasflow.search.progress_note import progress_note
from nasflow.stages.progress import ERASE, as_time, progress

STAGE = """
import sys, time
from nasflow.stages.progress import progress
with progress(sys.argv[1]) as show:
    for i in range(int(sys.argv[2])):
        show(i + 1, int(sys.argv[2]), "loss %d" % i)
        time.sleep(0.02)
"""


def on_a_terminal(*stages: tuple[str, int], **environment: str) -> str:
    """Return what stages write that share one terminal."""
    ours, theirs = pty.openpty()
    running = [
        subprocess.Popen(
            [sys.executable, "-c", STAGE, title, str(steps)],
            stderr=theirs,
            env=os.environ | {"TERM": "xterm"} | environment,
        )
        for title, steps in stages
    ]
    os.close(theirs)
    seen = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            seen += os.read(ours, 4096)
        except OSError:  # the last writer has gone
            break
    os.close(ours)
    assert [process.wait() for process in running] == [0] * len(stages)
    return seen.decode().replace("\r\n", "\n")


def test_a_terminal_shows_a_line_that_moves_and_then_one_that_stays() -> None:
    text = on_a_terminal(("nasgd round 1/2", 50))
    *live, last = text.split(ERASE)
    steps = [int(line.split("/50")[0].split()[-1]) for line in live if "/50" in line]
    assert len(steps) >= 3 and steps == sorted(steps) and "left, loss" in live[2]
    assert not any("\n" in line for line in live)
    assert last.startswith("nasgd round 1/2: 50 steps in 0:0") and last.endswith(", loss 49\n")


def test_two_stages_take_turns() -> None:
    text = on_a_terminal(("first", 30), ("second", 70))
    drawn = [
        line.split()[0] for line in text.split(ERASE) if ", loss" in line and "steps" not in line
    ]
    changes = sum(a != b for a, b in pairwise(drawn))
    assert drawn and changes <= 1
    last = [line.split(ERASE)[-1].split(":")[0] for line in text.split("\n")]
    assert sorted(last) == ["", "first", "second"]


def test_elsewhere_a_stage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("round") as show:
        for step in range(100):
            show(step + 1, 100, f"loss {step}")
    assert capsys.readouterr().err == "round: 100 steps in 0:00, loss 99\n"


def test_a_terminal_that_cannot_erase_is_treated_as_none() -> None:
    assert on_a_terminal(("round", 3), TERM="dumb") == "round: 3 steps in 0:00, loss 2\n"


def test_a_stage_that_fails_or_is_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(ValueError), progress("round") as show:
        show(1, 2, "")
        raise ValueError
    with progress("round", quiet=True) as show:
        show(1, 2, "")
    with progress("round"):
        pass  # a stage without steps
    assert capsys.readouterr().err == ""


def test_a_step_costs_next_to_nothing() -> None:
    counts, V = np.full(9, 100), np.ones(9)
    names = ["parent", *["widen"] * 8]
    with progress("round", quiet=False) as show:
        began = time.process_time()
        for step in range(1000):
            show(step + 1, 1000, progress_note(names, counts, V, 0.1))
        assert time.process_time() - began < 0.2  # s; steps of the smallest searches take 20 ms


def test_elapsed_time_is_written_as_hours_minutes_and_seconds() -> None:
    assert [as_time(s) for s in (7, 59.6, 760, 3723)] == ["0:07", "1:00", "12:40", "1:02:03"]
