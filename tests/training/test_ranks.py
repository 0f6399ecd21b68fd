"""Several processes: the same bytes as one, and what happens when one of them dies."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch.multiprocessing as processes
import warm
from handover import train_as_rank
from played import play
from quick import base_network, setting_of
from rounds import RESULTS, TABLES, arguments, run, start

from nasflow.config.kinds import Algorithm
from nasflow.search import baselines, particle_round, rung
from nasflow.search.budget import Limits
from nasflow.search.recipe import ROUNDS
from nasflow.search.round import Round
from nasflow.storage.attempt import attempt
from nasflow.training.ranks import ALONE, Ranks


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


def _round(ranks: Ranks, folder: Path, algorithm: str, steps: int, **limits: float) -> Round:
    """Run a round of some steps, whose state is kept in a folder of the rank."""
    own = setting_of(n_neigh=3, max_steps=steps, epochs_neigh=steps / 3, limits=Limits(**limits))
    kind = Algorithm(algorithm)
    own = own._replace(algorithm=kind, ranks=ranks)
    with attempt(folder / algorithm, {}, "cpu", ranks) as keeper:
        return ROUNDS[kind](base_network(), 0, own, lambda *_: None, keeper)


@pytest.mark.parametrize("algorithm", ["nasgd", "nash"])
def test_an_ordinary_step_has_one_reduction_and_ranks_that_are_played_give_the_same_round(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for steps in (6, 9):
        played = play(2, monkeypatch)
        found = played.run(lambda ranks: _round(ranks, tmp_path, algorithm, steps))  # noqa: B023
        counts.append(played.count["all_reduce"])
        assert [one.steps for one in found] == [steps, steps]
        alone = _round(ALONE, tmp_path, algorithm, steps)
        assert repr(alone.particles) == repr(found[0].particles) == repr(found[1].particles)
    assert counts[1] - counts[0] == 3


@pytest.mark.parametrize("algorithm", ["nasgd", "nash"])
def test_clocks_that_differ_end_a_round_after_the_same_step_on_all_ranks(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of rank 1 goes on by a second each time it is read; the other one stands still."""
    played, read = play(2, monkeypatch), [0, 0]

    def monotonic() -> float:
        read[played.rank] += played.rank
        return float(read[played.rank])

    for module in (particle_round, rung, baselines):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=monotonic))
    ends = played.run(lambda ranks: _round(ranks, tmp_path, algorithm, 30, seconds=7.0))
    assert ends[0].steps == ends[1].steps < 9
    assert ends[0].reason == ends[1].reason


def test_wishes_travel_with_a_table_and_are_asked_just_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = play(3, monkeypatch)

    def work(ranks: Ranks) -> list[float]:
        asked: list[str] = []

        def wish() -> float:
            asked.append("")
            return 10.0 * len(asked) + ranks.rank

        with ranks.wishing(high=wish, low=lambda: -ranks.rank):
            table = ranks.merge({ranks.rank: (ranks.rank + 0.5, float("nan"))}, 4, 2)
            assert table[:, 0].tolist() == [0.5, 1.5, 2.5, 0.0] and np.isnan(table[:3, 1]).all()
            first = [len(asked), ranks.agreed("high"), ranks.agreed("low")]
            late = [len(asked), ranks.agreed("high")]  # no table since: the ranks exchange it now
        ranks.merge({}, 4, 2)
        return [*first, *late, len(asked)]

    assert played.run(work) == [[1, 12.0, 0.0, 1, 22.0, 2]] * 3
    assert played.count["all_reduce"] == 3


def test_a_rank_that_is_alone_asks_when_it_is_asked() -> None:
    asked: list[int] = []
    ranks = Ranks()
    with ranks.wishing(own=lambda: asked.append(1) or 7.0):  # type: ignore[func-returns-value]
        assert ranks.merge({1: (2.0,)}, 2, 1).tolist() == [[0.0], [2.0]]
        assert not asked and ranks.agreed("own") == 7.0 and len(asked) == 1


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
    assert process.returncode == 75, error
    assert len(ports) == 2
    assert all(port.startswith("0100007F:") for port in ports), ports


def test_a_signal_while_the_ranks_start_ends_them_as_a_stop_and_not_as_a_fault(
    folder: Path,
) -> None:
    process = start(arguments(folder, "early"), ranks=2, threads=1)
    _worker(process.pid, rank=1, after=0.0)
    process.terminate()
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 75, error
    assert error == (
        "nasflow: stopped by SIGTERM while the ranks were starting; run the same command again\n"
    )


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
