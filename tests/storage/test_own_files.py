"""A file of ours is never opened through a symbolic link, and only our own names are deleted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nasflow.__main__ import main
from nasflow.storage import own_files


def _link(path: Path) -> None:
    path.with_name("victim").write_text("years of work")
    path.symlink_to("victim")


PLANTED: dict[str, Callable[[Path], None]] = {
    "link": _link,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "FIFO": os.mkfifo,
    "folder": Path.mkdir,
}


@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_no_regular_file_is_not_opened(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    PLANTED[kind](path)
    for flags in (os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_APPEND):
        with pytest.raises(ValueError, match=r"status\.json: a symbolic link, or no regular file"):
            own_files.opened(path, flags)
    assert not (tmp_path / "nowhere").exists()


def test_a_regular_file_is_read_and_a_missing_one_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text")
    assert own_files.content(tmp_path / "a") == b"text"
    with pytest.raises(FileNotFoundError):
        own_files.content(tmp_path / "b")


def test_a_log_that_is_a_link_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _link(tmp_path / "plan.log")
    out = tmp_path / "plan.json"
    words = ["plan", "--config", "{}", "--out", str(out), "--log", str(tmp_path / "plan.log")]
    assert main(words) == 2
    assert "plan.log: a symbolic link" in capsys.readouterr().err
    assert (tmp_path / "victim").read_text() == "years of work"
    assert not out.exists()


def test_only_drafts_of_ours_are_listed(tmp_path: Path) -> None:
    for name in (".status.json.123.tmp", ".mine.tmp", "notes.tmp"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".folder.1.tmp").mkdir()
    assert [path.name for path in own_files.drafts(tmp_path)] == [".status.json.123.tmp"]


def test_of_a_link_only_the_link_is_removed(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_text("x")
    (tmp_path / "link").symlink_to("photos")
    own_files.remove(tmp_path / "link")
    assert (tmp_path / "photos/a.jpg").exists() and not (tmp_path / "link").is_symlink()


def test_what_stands_in_the_place_of_a_folder_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = Path("results/mine/nasgd/seed_0")
    assert own_files.obstacle([wanted]) is None
    wanted.parent.mkdir(parents=True)
    assert own_files.obstacle([wanted]) is None
    wanted.write_text("a file")
    assert own_files.obstacle([Path("results/mine/data"), wanted]) == (
        f"{wanted}: no folder; expected a folder, or nothing, at this place; move it away"
    )
    Path("linked").symlink_to("results")
    assert own_files.obstacle([Path("linked/mine/data")]) is None
    Path("dangling").symlink_to("nowhere")
    assert str(own_files.obstacle([Path("dangling/mine/data")])).startswith("dangling: no folder")
