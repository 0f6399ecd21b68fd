"""Several processes: the same bytes as one, and what happens when one of them dies."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch.multiprocessing as processes
import warm
from handover import train_as_rank
from rounds import RESULTS, TABLES, arguments, run, start


@pytest.mark.parametrize("algorithm", ["nasgd", "nasagd", "halving"])
def test_a_round_gives_the_same_bytes_for_one_two_and_four_ranks(
    folder: Path, algorithm: str
) -> None:
    alone = run(folder, "one", 1, algorithm)
    for ranks in (2, 4):
        out = f"ranks_{ranks}"
        given = {**arguments(folder, out, algorithm), "ranks": str(ranks), "threads": "2"}
        words = [word for name, value in given.items() for word in (f"--{name}", value)]
        done = warm.run(["nasflow", "search_round", *words], folder, timeout=120)
        assert done.returncode == 0, done.stderr
        for name in RESULTS + TABLES:
            assert (alone / name).read_bytes() == (folder / out / name).read_bytes(), name


def _answer(size: int, meeting: Path):  # type: ignore[no-untyped-def]
    queue = processes.get_context("spawn").SimpleQueue()
    context = processes.spawn(train_as_rank, (size, str(meeting), queue), nprocs=size, join=False)
    result = queue.get()
    context.join()
    return result


def test_siblings_that_move_to_another_rank_go_on_bit_for_bit(tmp_path: Path) -> None:
    losses, _, velocities = _answer(1, tmp_path / "one")
    others, owners, moved = _answer(2, tmp_path / "two")
    assert owners[0] != owners[-1], "the measured costs moved a sibling"
    np.testing.assert_array_equal(losses, others)
    assert velocities
    for a, b in zip(velocities, moved, strict=True):
        np.testing.assert_array_equal(a, b)


def test_ranks_of_one_machine_listen_on_the_loopback_interface_only(
    folder: Path, tmp_path: Path
) -> None:
    """A file `queue.py` in the current folder changes nothing either."""
    (tmp_path / "queue.py").write_text("raise SystemExit('queue.py of the folder ran')")
    options = arguments(folder, "ports", max_steps=100_000, warmup_steps=90_000)
    process = start(options, ranks=2, threads=1, cwd=tmp_path)
    own = {process.pid, *(_worker(process.pid, rank, after=0.0) for rank in range(2))}
    ports: set[str] = set()
    while len(ports) < 2 and process.poll() is None:  # gloo opens them after torch was imported
        time.sleep(0.05)
        ports |= _listening(own)
    process.terminate()
    error = process.communicate(timeout=60)[1]
    assert process.returncode in (75, -signal.SIGTERM), error
    assert len(ports) == 2
    assert all(port.startswith("0100007F:") for port in ports), ports


def _listening(processes: set[int]) -> set[str]:
    """Return the addresses, in hexadecimal, on which processes listen; IPv6 counts, too."""
    inodes = set()
    for process in processes:
        for file in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                inodes.add(os.readlink(file))
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [row.split() for table in tables for row in table]
    return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}


def test_a_rank_that_dies_ends_the_round_in_one_line_and_the_round_can_be_run_again(
    folder: Path,
) -> None:
    options = arguments(folder, "killed", max_steps=100_000, warmup_steps=90_000)
    process = start(options, ranks=2, threads=2)
    os.kill(_worker(process.pid, rank=1), signal.SIGKILL)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    lines = [line for line in error.splitlines() if line.startswith("nasflow:")]
    assert len(lines) == 1
    assert "rank 1 of 2 died of SIGKILL" in lines[0]
    assert "Traceback" not in error
    assert not (folder / "killed/status.json").exists()


def test_ranks_that_are_stopped_or_lost_go_on_to_the_same_bytes(folder: Path) -> None:
    """Two ranks are stopped by SIGTERM; of four, one is killed; one rank ends the round."""
    long = {"max_steps": 400, "warmup_steps": 390}
    whole = run(folder, "whole", 1, **long)
    options, out = arguments(folder, "parts", **long), folder / "parts"
    process = start(options, every="0", ranks=2, threads=2)
    first = _kept(out, 0)
    process.terminate()
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 75, error
    assert error.count("nasflow: stopped by SIGTERM after step") == 1
    process = start(options, every="0", ranks=4, threads=2)
    second = _kept(out, first + 5)
    os.kill(_worker(process.pid, rank=3, after=0.0), signal.SIGKILL)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 1, error
    assert f"goes on after step {_step(error)}" in error
    assert _step(error) >= first
    error = start(options).communicate(timeout=60)[1]
    assert _step(error) >= second
    for name in RESULTS + TABLES:
        assert (whole / name).read_bytes() == (out / name).read_bytes(), name


def _step(error: str) -> int:
    return int(error.split("goes on after step ")[1].split(",")[0])


def _kept(out: Path, more_than: int) -> int:
    """Wait for a state after more than so many steps, and return its step."""
    for _ in range(1200):
        time.sleep(0.05)
        names = [p.name for p in (out / ".resume").glob("*-*") if not p.name.endswith(".tmp")]
        step = max((int(name.split("-")[0]) for name in names), default=-1)
        if step > more_than:
            return step
    raise AssertionError("no state was kept")


def _worker(launcher: int, rank: int, after: float = 6.0) -> int:
    """Wait until a rank trains, and return its process."""
    for _ in range(600):
        time.sleep(0.1)
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                names = (entry / "environ").read_bytes().split(b"\0")
            except (OSError, ValueError):
                continue
            if parent == launcher and f"RANK={rank}".encode() in names:
                time.sleep(after)
                return int(entry.name)
    raise AssertionError("no worker appeared")
