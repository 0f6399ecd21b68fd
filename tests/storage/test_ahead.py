"""The result of a round that was computed ahead is taken whole and fitting, or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from powercut import die_at

from nasflow.storage.ahead import AHEAD, ahead, discard, discard_all, fits, take
from nasflow.storage.files import write, write_json
from nasflow.storage.lock import Held, writer
from nasflow.storage.made import KEEP, MADE, made
from nasflow.storage.manifest import write_manifest

BUDGET = {"rounds": 9, "steps": 40}
FILES = {"particles.parquet", "winner.architecture.json", "winner.safetensors", "winner.json"}
WANTED = made("search_round", json.dumps({"search": {"n_neigh": 2}}), seed=0, round=2)


def wait(folder: Path, text: bytes = b"rows") -> None:
    """Write the result of a round, which waits."""
    with ahead(folder, BUDGET) as new:
        files = {"particles.parquet": write(new / "particles.parquet", text)}
        parts = ("winner.architecture.json", "winner.safetensors")
        network = {name: write(new / name, text) for name in parts}
        files["winner.json"] = write_manifest(new / "winner.json", 7, "sgd", network)
        write_json(new / "status.json", {"schema": 1, MADE: WANTED, "files": files})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a round whose result waits."""
    monkeypatch.setenv(KEEP, "1")
    wait(tmp_path / "round_2")
    return tmp_path / "round_2"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_result_takes_its_place_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "status.json", b"of another configuration")
    assert fits(folder, WANTED, BUDGET) and fits(folder, WANTED, BUDGET | {"rounds": 3})
    assert take(folder, WANTED, BUDGET)
    assert names(folder) == FILES | {"status.json"}
    assert "round_2: was computed ahead; it takes its place" in capsys.readouterr().err
    assert not take(folder, WANTED, BUDGET)


@pytest.mark.parametrize(
    ("wanted", "budget", "said"),
    [
        (WANTED, BUDGET | {"steps": 39}, "with another budget"),
        (WANTED | {"version": 0}, BUDGET, "from other inputs"),
        (WANTED | {"inputs": ["another parent"]}, BUDGET, "from other inputs"),
    ],
)
def test_a_result_that_does_not_fit_is_told_and_removed(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    wanted: dict[str, Any],
    budget: dict[str, Any],
    said: str,
) -> None:
    assert not fits(folder, wanted, budget)
    assert not take(folder, wanted, budget)
    assert not names(folder)
    assert f"was computed ahead, but {said}" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*sorted(FILES), "status.json", "budget.json"])
@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"{}")])
def test_a_damaged_result_is_not_taken(
    folder: Path, name: str, harm: Callable[[Path], None]
) -> None:
    harm(folder / AHEAD / name)
    assert not take(folder, WANTED, BUDGET)
    assert not names(folder)


@pytest.mark.parametrize("keep", ["", None])
def test_a_forced_job_takes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, keep: str | None
) -> None:
    monkeypatch.delenv(KEEP)
    if keep is not None:
        monkeypatch.setenv(KEEP, keep)
    assert not take(folder, WANTED, BUDGET)
    assert names(folder) == {AHEAD}


def test_nothing_is_taken_while_another_process_writes(folder: Path) -> None:
    with writer(folder), pytest.raises(Held):
        take(folder, WANTED, BUDGET)
    assert take(folder, WANTED, BUDGET)


def test_a_link_is_neither_taken_nor_removed(folder: Path, tmp_path: Path) -> None:
    (folder / AHEAD).rename(tmp_path / "elsewhere")
    (folder / AHEAD).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"\.ahead: a symbolic link"):
        take(folder, WANTED, BUDGET)
    discard_all(tmp_path)
    assert (tmp_path / "elsewhere/status.json").is_file()


def half(new: Path) -> None:
    """Write a part of a result, and then fail."""
    write(new / "particles.parquet", b"half")
    new.mkdir()


def test_an_error_leaves_no_result(folder: Path) -> None:
    with pytest.raises(FileExistsError), ahead(folder, BUDGET) as new:
        half(new)
    assert names(folder) == {AHEAD} and fits(folder, WANTED, BUDGET), "the older result"
    discard(folder)
    assert not names(folder)


def test_results_that_nobody_wants_are_removed_with_their_folders(folder: Path) -> None:
    other = folder.with_name("round_1")
    write(other / "status.json", b"{}")
    discard_all(folder.parent)
    assert names(folder.parent) == {"round_1"} and names(other) == {"status.json"}


def test_a_process_that_ends_at_a_file_operation_leaves_all_or_nothing(folder: Path) -> None:
    """It writes a result that waits, and takes it; an older result stands at both places. It ends
    at every third operation, which saves seconds."""
    take(folder, WANTED, BUDGET)
    wait(folder)
    before = shutil.copytree(folder, folder.with_name("before"))

    def work() -> None:
        wait(folder, b"new rows")
        take(folder, WANTED, BUDGET)

    ends = 0
    while die_at(3 * ends + 1, work):
        ends += 1
        (folder / ".lock").unlink(missing_ok=True)
        contents = {(folder / name).read_bytes() for name in FILES - {"winner.json"}}
        if (folder / "status.json").exists():
            assert len(contents) == 1, "all files of one result"
        take(folder, WANTED, BUDGET)
        contents = {(folder / name).read_bytes() for name in FILES - {"winner.json"}}
        assert len(contents) == 1 or not (folder / "status.json").exists()
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
    assert ends > 12
