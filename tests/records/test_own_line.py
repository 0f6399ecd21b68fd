"""The fraction of the seconds that went into the line of the final network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nasflow.records.own_line import of_round, own_line
from nasflow.storage.files import read_json, write_json
from nasflow.storage.tables import write_table


def a_round(folder: Path, steps: list[int], flops: list[int], winner: int, **row: Any) -> float:
    """The fraction of a made-up round whose nodes took so many steps."""
    taken = [{"node": node} for node, count in enumerate(steps) for _ in range(count)]
    nodes = [{"node": n, "flops": f, "died_at": None} for n, f in enumerate(flops)]
    nodes[-1] |= row
    files = {
        "particles.parquet": write_table(folder / "particles.parquet", taken),
        "architectures.parquet": write_table(folder / "architectures.parquet", nodes),
    }
    return of_round(folder, {"winner": winner, "files": files})


def test_siblings_of_one_size_have_equal_parts(tmp_path: Path) -> None:
    assert a_round(tmp_path, [9, 9, 9], [5, 5, 5], 1) == pytest.approx(1 / 3)


def test_a_larger_sibling_takes_more_of_the_time(tmp_path: Path) -> None:
    assert a_round(tmp_path, [9, 9], [1, 3], 0) == pytest.approx(1 / 4)


def test_siblings_at_equal_seconds_have_equal_parts(tmp_path: Path) -> None:
    """One with three times the FLOPs takes a third of the steps in the same time."""
    assert a_round(tmp_path, [30, 10], [1, 3], 1) == pytest.approx(1 / 2)


def test_steps_after_a_dropout_do_not_count(tmp_path: Path) -> None:
    assert a_round(tmp_path, [10, 10], [1, 1], 0, died_at=5) == pytest.approx(2 / 3)


def test_a_search_adds_up_its_stages(tiny: Path) -> None:
    search = tiny / "nasgd/seed_0"
    seconds = [
        read_json(search / f"{name}/status.json")["seconds"] for name in ("pretrain", "final")
    ]
    rounds = [read_json(search / f"search/round_{n}/status.json") for n in (1, 2)]
    total = sum(seconds) + sum(status["seconds"] for status in rounds)
    own = sum(seconds) + sum(
        status["seconds"] * of_round(search / f"search/round_{n}", status)
        for n, status in enumerate(rounds, 1)
    )
    assert own_line(search) == pytest.approx(own / total)
    assert sum(seconds) / total < own_line(search) < 1.0


def test_rounds_that_an_earlier_search_left_do_not_count(copied: Path) -> None:
    search = copied / "nasgd/seed_0"
    summary = read_json(search / "search/summary.json")
    write_json(search / "search/summary.json", summary | {"rounds": 0})
    assert own_line(search) == 1.0
