"""Searches are found where they lie, also behind links, and copies are never taken for searches."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from nasflow.storage import places
from nasflow.storage.lock import NAME, Held, take
from nasflow.storage.resume import resume

COPIES = (
    *("mine/nasgd/seed_0_old", "mine/nasgd/seed_0 (copy)", "mine/nasgd/seed_00"),
    *("mine/nasgd/Copy of seed_0", "mine/nasgd/seed_0.bak", "mine/nasgd/backup"),
    *("mine/nasgd (copy)", "mine/nasgd_old", "mine/old nasgd", "mine/backup"),
    *("mine/data_old", "mine/comparison (2)", "mine (copy)"),
    *("mine/nasgd/seed_0/search/round_1_bak", "mine/nasgd/seed_0/search/round_01"),
    *("mine/nasgd/seed_0/final.old", "mine/nasgd/seed_0/search (copy)"),
)
# Where the folder that is copied keeps a stage.
INSIDE = {
    "mine/nasgd (copy)": "seed_0/final",
    "mine/nasgd_old": "seed_0/final",
    "mine/backup": "nasgd/seed_0/final",
    "mine/nasgd/backup": "final",
    "mine (copy)": "nasgd/seed_0/final",
}


def experiment(folder: Path, *searches: str) -> Path:
    for search in searches or ("nasgd/seed_0",):
        (folder / search / "search/round_1").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "data/data.json").write_text("{}")
    return folder


def names(paths: list[Path], top: Path) -> list[str]:
    return [path.relative_to(top).as_posix() for path in paths]


def test_every_search_is_found_from_every_folder_above_it(tmp_path: Path) -> None:
    searches = ["mine/nasgd/seed_0", "mine/nasgd/seed_10", "mine/nasgd-log/seed_2"]
    experiment(tmp_path / "mine", *(search[len("mine/") :] for search in searches))
    for top in (tmp_path, tmp_path / "mine"):
        found = places.found(top)
        assert names(found.searches, tmp_path) == searches
        assert names(found.experiments, tmp_path) == ["mine"]
        assert not found.copies and not found.lost
    assert names(places.found(tmp_path / "mine/nasgd").searches, tmp_path) == searches[:2]
    assert names(places.found(tmp_path / searches[0]).searches, tmp_path) == searches[:1]
    assert names(places.searches(tmp_path / "mine"), tmp_path) == searches


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_is_named_once_and_is_no_search(
    copy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment(tmp_path / "mine")
    (tmp_path / copy / INSIDE.get(copy, "")).mkdir(parents=True)
    found = places.found(tmp_path)
    assert names(found.searches, tmp_path) == ["mine/nasgd/seed_0"]
    assert names(found.experiments, tmp_path) == ["mine"]
    assert names(found.copies, tmp_path) == [copy]
    places.tell(found)
    assert capsys.readouterr().err == f"nasflow: {tmp_path / copy}: a copy, by its name; it is " + (
        "left alone and not read\n"
    )


def test_folders_that_look_like_no_results_are_not_told(tmp_path: Path) -> None:
    experiment(tmp_path / "mine", "none/seed_0", "race/seed_0")
    for name in ("notes", "terrace", "logs", "benchmarks", ".snakemake/seed_0", "none/logs"):
        (tmp_path / "mine" / name).mkdir(parents=True)
    (tmp_path / "mlartifacts/mine/seed_0").mkdir(parents=True)
    found = places.found(tmp_path)
    assert len(found.searches) == 2 and not found.copies


def test_links_are_followed_once_and_those_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    results, store = tmp_path / "results", tmp_path / "store"
    experiment(results / "mine")
    experiment(store / "two")
    experiment(store / "three")
    (results / "two").symlink_to("../store/two")
    (results / "mine/nash").symlink_to("../../store/three/nasgd")
    (results / "mine/nasgd/seed_7").symlink_to("../../../store/three/nasgd/seed_0")
    for name, target in {"again": "mine", "loop": ".", "up": "..", "gone": "/nowhere"}.items():
        (results / name).symlink_to(target)
    (store / "two/back").symlink_to("../../results")
    found = places.found(results)
    assert names(found.experiments, results) == ["mine", "two"]
    expected = ["mine/nasgd/seed_0", "mine/nasgd/seed_7", "mine/nash/seed_0", "two/nasgd/seed_0"]
    assert names(found.searches, results) == expected
    assert names(found.lost, results) == ["gone"]


def test_the_sets_of_a_suite_are_found(tmp_path: Path) -> None:
    experiment(tmp_path / "suite/one/results/one_180")
    (tmp_path / "suite/one/sitting.json").write_text("{}")
    found = places.found(tmp_path)
    assert names(found.experiments, tmp_path) == ["suite/one/results/one_180"]
    assert names(found.sets, tmp_path) == ["suite/one"]


def test_resume_sees_the_locks_of_linked_experiments_and_leaves_those_of_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_: subprocess.CompletedProcess([], 7))
    experiment(tmp_path / "results/mine")
    experiment(tmp_path / "store")
    (tmp_path / "results/two").symlink_to("../store")
    copy = tmp_path / "results/mine/nasgd/seed_0_old"
    copy.mkdir()
    (copy / NAME).write_text("process 1 on another since then")
    holder = take(tmp_path / "store/nasgd/seed_0/search/round_1" / NAME)
    with pytest.raises(Held, match="round_1: process"):
        resume(["-d", str(tmp_path)])
    os.close(holder)
    assert resume(["-d", str(tmp_path)]) == 7
    assert not (tmp_path / "store/nasgd/seed_0/search/round_1" / NAME).exists()
    assert (copy / NAME).exists()
    assert "seed_0_old: a copy" in capsys.readouterr().err
    (tmp_path / "results/mine/nasgd/seed_0" / NAME).symlink_to(tmp_path / "store")
    with pytest.raises(ValueError, match=r"\.lock: a symbolic link"):
        resume(["-d", str(tmp_path)])
