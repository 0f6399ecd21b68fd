"""The second of two writers is told who holds the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import small

from nasflow.storage.lock import Held, writer


def test_the_second_of_two_attempts_is_told_who_holds_the_folder(
    folder: Path, tmp_path: Path
) -> None:
    with writer(tmp_path), pytest.raises(Held, match=rf"process {os.getpid()} on .* since 20"):
        small.one_round(folder, tmp_path)
    small.one_round(folder, tmp_path)
    assert not (tmp_path / ".lock").exists()
