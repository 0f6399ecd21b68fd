"""The second of two writers is told who holds the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import small

from nasflow.storage.lock import Held, writer
from nasflow.storage.resume import resume


def test_the_second_of_two_attempts_is_told_who_holds_the_folder(
    folder: Path, tmp_path: Path
) -> None:
    with writer(tmp_path), pytest.raises(Held, match=rf"process {os.getpid()} on .* since 20"):
        small.one_round(folder, tmp_path)
    small.one_round(folder, tmp_path)
    assert not (tmp_path / ".lock").exists()


def test_a_lock_that_is_a_link_leaves_the_file_behind_it_alone(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("years of work")
    stage = tmp_path / "results/digits/nasgd/seed_0/pretrain"
    stage.mkdir(parents=True)
    (stage / ".lock").symlink_to(thesis)
    with pytest.raises(ValueError, match=r"\.lock: a symbolic link"), writer(stage):
        pass
    with pytest.raises(ValueError, match=r"\.lock: a symbolic link"):
        resume(["--directory", str(tmp_path)])
    assert thesis.read_text() == "years of work"


def test_a_file_that_only_has_the_name_of_a_lock_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("the only copy")
    with pytest.raises(ValueError, match="no lock of nasflow"), writer(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == "the only copy"


@pytest.mark.parametrize("text", [b"", b"\0" * 40, b"process 1 on vm since 2026-01-01 00:00:00"])
def test_the_lock_of_a_killed_process_is_taken_over(text: bytes, tmp_path: Path) -> None:
    (tmp_path / ".lock").write_bytes(text)
    with writer(tmp_path):
        assert f"process {os.getpid()}" in (tmp_path / ".lock").read_text()
