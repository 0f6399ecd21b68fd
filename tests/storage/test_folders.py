"""A folder is listed with its links followed, and the walk below it always ends."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from nasflow.storage.folders import Kind, below, entries


def kinds(folder: Path) -> dict[str, Kind]:
    return {one.path.name: one.kind for one in entries(folder)}


def test_an_entry_is_what_its_link_leads_to_and_nothing_is_opened(tmp_path: Path) -> None:
    (tmp_path / "store/deep").mkdir(parents=True)
    (tmp_path / "store/a.png").write_text("x")
    top = tmp_path / "top"
    top.mkdir()
    os.mkfifo(top / "pipe")
    socket.socket(socket.AF_UNIX).bind(str(top / "s"))
    links = {"file": "../store/a.png", "folder": "../store", "gone": "/nowhere", "self": "self"}
    links |= {"up": ".", "above": "..", "root": "/", "device": "/dev/zero", "piped": "pipe"}
    for name, target in links.items():
        (top / name).symlink_to(target)
    assert kinds(top) == {
        **dict.fromkeys(("pipe", "s", "device", "piped"), Kind.SPECIAL),
        **dict.fromkeys(("gone", "self"), Kind.NOWHERE),
        **dict.fromkeys(("up", "above", "root"), Kind.UP),
        **{"file": Kind.FILE, "folder": Kind.FOLDER},
    }


def test_folders_that_lead_to_one_another_are_entered_once(tmp_path: Path) -> None:
    names = [f"{number:02}" for number in range(12)]  # 12! ways through them
    for name in names:
        (tmp_path / "top" / name).mkdir(parents=True)
        (tmp_path / "top" / name / "a.png").write_text("x")
        for other in names:
            (tmp_path / "top" / name / f"to_{other}").symlink_to(f"../{other}")
    found = list(below(tmp_path / "top"))
    files = [one.path.relative_to(tmp_path / "top") for one in found if one.kind is Kind.FILE]
    assert sorted(map(str, files)) == [f"{name}/a.png" for name in names]
    assert {one.kind for one in found} == {Kind.FILE, Kind.UP, Kind.AGAIN}
    assert len(found) == 12 + 12 * 12


def test_a_folder_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "a.png").write_text("x")
    scandir = os.scandir

    def refuse(path: Path) -> Any:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert {one.path.name: one.kind for one in below(tmp_path)} == {
        "a.png": Kind.FILE,
        "shut": Kind.SHUT,
    }
