"""`nasflow verify` knows every file of a front, and notices networks at wrong places."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nasflow.records.verify import check
from nasflow.storage.files import read_json, write_json


@pytest.fixture
def front(fronted: Path, tmp_path: Path) -> Path:
    """A copy of a finished front, in which a test may write."""
    experiment = shutil.copytree(fronted.parents[1], tmp_path / "tiny")
    return experiment / fronted.relative_to(fronted.parents[1]) / "front"


def files(front: Path) -> list[Path]:
    return [path for path in sorted(front.rglob("*")) if path.is_file() and path.name != ".lock"]


def broken(front: Path) -> list[str]:
    return list(check(front.parents[2]).broken)


def test_every_file_of_a_front_is_looked_at(front: Path) -> None:
    found = check(front.parents[2])
    assert not found.broken and set(files(front)) <= found.seen
    names = {path.name for path in files(front)}
    assert {"plan.json", "front.json", "front.csv", "predictions.parquet"} <= names


def test_a_missing_or_damaged_file_is_told_with_its_name(front: Path) -> None:
    for path in files(front):
        content = path.read_bytes()
        path.unlink()
        assert broken(front) == [str(path)]
        place = len(content) // 2
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert broken(front) == [str(path)]
        path.write_bytes(content)


def test_another_network_at_the_place_of_one_is_told(front: Path) -> None:
    one, two = front / "network_1", front / "network_2"
    for file in two.iterdir():
        if file.is_file():
            shutil.copy(file, one / file.name)
    assert broken(front) == [str(one / "status.json")]


def test_a_plan_about_another_search_is_told(front: Path) -> None:
    plan = read_json(front / "plan.json")
    plan["networks"][2] |= {"source": "pretrain/network"}
    write_json(front / "plan.json", plan)
    assert str(front / "plan.json") in broken(front)


def test_a_front_that_is_not_finished_and_networks_of_a_larger_one_are_no_fault(
    front: Path,
) -> None:
    for name in ("front.json", "front.csv"):
        (front / name).unlink()
    shutil.rmtree(front / "network_1")
    shutil.copytree(front / "network_2", front / "network_9")
    (front / "network_2/metrics.json").unlink()
    (front / "network_2/predictions.parquet").unlink()
    assert not broken(front)
