"""A stage says what it was made from, and replaces its files when the new ones are complete."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nasflow.config.versions import VERSIONS
from nasflow.storage.files import write, write_json
from nasflow.storage.made import KEEP, MADE, beside, differs, kept, made, recorded, write_made_data

CONFIG = json.dumps({"pretrain": {"epochs": 1.0}})


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """The record of a stage that has run, from a file that stands for the data."""
    write(tmp_path / "data.json", b"{}\n")
    files = {"history.parquet": write(tmp_path / "history.parquet", b"rows")}
    wanted = made("pretrain", CONFIG, [tmp_path / "data.json"], seed=0)
    write_json(tmp_path / "status.json", {"schema": 1, MADE: wanted, "files": files})
    return tmp_path / "status.json"


def test_a_changed_configuration_version_or_input_is_noticed(
    stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [stage.with_name("data.json")]
    assert differs(stage, made("pretrain", CONFIG, inputs)) == ""
    other = made("pretrain", CONFIG.replace("1.0", "2.0"), inputs)
    assert "(pretrain.epochs: 1.0, now 2.0)" in differs(stage, other)
    monkeypatch.setitem(VERSIONS, "pretrain", 1000)
    assert "another version" in differs(stage, made("pretrain", CONFIG, inputs))
    monkeypatch.undo()
    write(inputs[0], b"[1]\n")
    assert differs(stage, made("pretrain", CONFIG, inputs)) == "its inputs have changed"
    inputs[0].unlink()
    assert differs(stage, made("pretrain", CONFIG, inputs)) == "", "it will be made first"


def test_a_record_of_an_older_version_says_nothing(tmp_path: Path) -> None:
    for text in (b"{}", b"no JSON", b'{"made": 3}'):
        write(tmp_path / "status.json", text)
        assert recorded(tmp_path / "status.json") is None
        assert differs(tmp_path / "status.json", made("pretrain", CONFIG)) == ""


def test_a_stage_is_kept_only_where_it_is_whole_and_nobody_forces_it(
    stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = made("pretrain", CONFIG, [stage.with_name("data.json")], seed=0)
    monkeypatch.delenv(KEEP, raising=False)
    assert not kept(stage, wanted)
    monkeypatch.setenv(KEEP, "1")
    assert kept(stage, wanted)
    assert not kept(stage, wanted | {"seed": 1})
    write(stage.with_name("history.parquet"), b"damaged")
    assert not kept(stage, wanted)
    stage.with_name("history.parquet").unlink()
    assert not kept(stage, wanted)


def test_what_data_were_made_from_stands_beside_them(tmp_path: Path) -> None:
    write(tmp_path / "data.json", b"{}\n")
    write_made_data(tmp_path, made("prepare", CONFIG))
    found = recorded(tmp_path / "data.json")
    assert found is not None and found["config"] == json.loads(CONFIG)
    write(tmp_path / "data.json", b'{"by": "an older nasflow"}\n')
    assert recorded(tmp_path / "data.json") is None


def test_old_files_stay_until_all_new_ones_are_written(tmp_path: Path) -> None:
    for name in ("a.bin", "status.json"):
        write(tmp_path / name, b"old")
    with (
        pytest.raises(FileExistsError),
        beside(tmp_path, "status.json") as new,
    ):
        write(write_path(new) / "no folder", b"new")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "a.bin": b"old",
        "status.json": b"old",
    }
    with beside(tmp_path, "status.json") as new:
        write(new / "a.bin", b"new")
        write(new / "status.json", b"new")
    assert {file.read_bytes() for file in tmp_path.iterdir()} == {b"new"}


def write_path(new: Path) -> Path:
    """Write one file, so that the next one fails which is below it."""
    write(new / "a.bin", b"new")
    return new / "a.bin"


def test_leftovers_are_removed_and_links_refused(tmp_path: Path) -> None:
    write(tmp_path / "out/.new/half.bin", b"half")
    with beside(tmp_path / "out", "status.json") as new:
        write(new / "status.json", b"new")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["status.json"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "out/.new").symlink_to(tmp_path / "mine")
    with pytest.raises(ValueError, match="a symbolic link"), beside(tmp_path / "out", "x"):
        pass
