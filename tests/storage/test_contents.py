"""Contents come from regular files only, in one line where they do not, and in little memory."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from pathlib import Path

import pytest

from nasflow.storage.contents import check_sha256, read, verified
from nasflow.storage.record import CorruptFile

SHA256 = hashlib.sha256(b"content").hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


def test_a_file_that_fits_its_sum_is_read(file: Path) -> None:
    assert read(file) == verified(file, SHA256) == b"content"
    check_sha256(file, SHA256)


def test_another_sum_is_named(file: Path) -> None:
    for reader in (verified, check_sha256):
        with pytest.raises(CorruptFile, match=rf"file: sha256 {SHA256[:12]}, expected 000"):
            reader(file, "0" * 64)


def test_a_file_may_be_too_large(file: Path) -> None:
    assert read(file, 7) == b"content"
    with pytest.raises(CorruptFile, match="file: 7 bytes; expected at most 6; rerun"):
        read(file, 6)


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path, file: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.symlink(file, tmp_path / "link")
    (tmp_path / "folder").mkdir()
    reasons = {"pipe": "no regular", "link": "symbolic", "folder": "no regular", "none": "missing"}
    for name, reason in reasons.items():
        for call in (read, lambda path: check_sha256(path, SHA256)):
            with pytest.raises(CorruptFile, match=f"{name}: .*{reason}") as caught:
                call(tmp_path / name)
            assert "\n" not in str(caught.value)


def test_a_large_file_is_compared_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    tracemalloc.start()
    with pytest.raises(CorruptFile, match="sha256"):
        check_sha256(path, SHA256)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
