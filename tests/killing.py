"""Stages in processes that are killed at random moments until one of them comes to the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from powercut import code_of, inside
from small import Run

from nasflow.stages import rounds, training
from nasflow.storage.attempt import SECONDS
from nasflow.training.ranks import MEETING

PATIENCE = 1.0  # seconds for the other rank to notice; the launcher ends it too


class Tally(NamedTuple):
    """What happened until a stage came to its end.

    Attributes:
        kills: how often its processes were killed.
        resumed: the steps from which an attempt went on.
        halves: how many kills came in the middle of a save.
    """

    kills: int
    resumed: set[int]
    halves: int


def start(run: Run, folder: Path, out: Path, ranks: int, every: str = "0") -> list[int]:
    """Start the processes of the ranks, which keep their state every `every` seconds.

    What they print goes to `{out}.log`.
    """
    meeting = Path(tempfile.mkdtemp(prefix="nasflow-meeting-"), "meeting")
    return [
        inside(partial(_as_rank, run, folder, out, rank, ranks, meeting, every))
        for rank in range(ranks)
    ]


def ends(run: Run, folder: Path, out: Path, ranks: int = 1, every: str = "0") -> float:
    """Return the seconds that the stage takes undisturbed."""
    began = time.monotonic()
    codes = [code_of(child) for child in start(run, folder, out, ranks, every)]
    assert not any(codes), Path(f"{out}.log").read_text()
    return time.monotonic() - began


def killed_until_done(
    run: Run, folder: Path, out: Path, ranks: int, longest: float, rng: np.random.Generator
) -> Tally:
    """Send SIGKILL after 0 to `longest` seconds, to one rank or to all, until the stage ends."""
    kills, halves, resumed = 0, 0, set()
    while True:
        children = start(run, folder, out, ranks)
        time.sleep(rng.uniform(0.0, longest))
        all_of_them = rng.random() < 0.5
        for child in children if all_of_them else [children[rng.integers(ranks)]]:
            os.kill(child, signal.SIGKILL)
        codes = _codes(children)
        if not any(codes):
            return Tally(kills, resumed, halves)
        assert -signal.SIGKILL in codes, Path(f"{out}.log").read_text()
        kills += 1
        halves += any((out / ".resume").glob("*.tmp"))
        resumed |= {newest(out)} - {0}


def newest(out: Path) -> int:
    """Return the step of the newest kept state, or 0 where there is none."""
    names = [p.name for p in (out / ".resume").glob("*-*") if p.suffix != ".tmp"]
    return max((int(name.split("-")[0]) for name in names), default=0)


def command(
    arguments: dict[str, object], ranks: int = 1, threads: int = 1, **environment: str
) -> subprocess.Popen[bytes]:
    """Start `nasflow search_round` as a user does."""
    given = {**arguments, "ranks": ranks, "threads": threads}
    words = [str(word) for name, value in given.items() for word in (f"--{name}", value)]
    return subprocess.Popen(
        [sys.executable, "-m", "nasflow", "search_round", *words],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
    )


def no_bar(*_: object, **__: object) -> Any:
    """Replace the live line, so that killed processes print none."""
    return nullcontext(lambda *_: None)


def ranks_of(launcher: int) -> list[int]:
    """The processes that the launcher started as ranks."""
    found = []
    for path in Path(f"/proc/{launcher}/task").glob("*/children"):
        for child in path.read_text().split():
            if b"\0RANK=" in Path(f"/proc/{child}/environ").read_bytes():
                found.append(int(child))
    return found


def _as_rank(
    run: Run, folder: Path, out: Path, rank: int, ranks: int, meeting: Path, every: str
) -> None:
    os.dup2(os.open(f"{out}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    rounds.progress = training.progress = no_bar  # type: ignore[assignment]
    os.environ[SECONDS] = every
    if ranks > 1:
        os.environ |= {
            **{"RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)},
            MEETING: str(meeting),
        }
    try:
        run(folder, out)
    except BaseException:
        traceback.print_exc()
        raise


def _codes(children: Sequence[int]) -> list[int]:
    """Return the exit codes of all ranks. If the first one was killed, the others get PATIENCE
    seconds."""
    codes: dict[int, int] = {}
    deadline = float("inf")
    while len(codes) < len(children):
        for child in set(children) - set(codes):
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                codes[child] = os.waitstatus_to_exitcode(status)
        if any(codes.values()):
            deadline = min(deadline, time.monotonic() + PATIENCE)
        if time.monotonic() > deadline:
            for child in set(children) - set(codes):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    return list(codes.values())
