"""A checkpoint is copied whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasflow.architecture.templates import chain
from nasflow.network.network import initialise
from nasflow.randomness import generator
from nasflow.storage.checkpoint import read_checkpoint, write_checkpoint
from nasflow.storage.files import CorruptFile
from nasflow.storage.manifest import copy_checkpoint


def test_a_copy_of_a_damaged_checkpoint_writes_nothing(tmp_path: Path) -> None:
    g = chain((2, 3), 3, (1, 8, 8), 2)
    write_checkpoint(tmp_path / "one", initialise(g, generator("init", 0)), 5, "sgd")
    copy_checkpoint(tmp_path / "one", tmp_path / "new/two")
    found, k, optimizer = read_checkpoint(tmp_path / "new/two")
    assert (found.architecture, k, optimizer) == (g, 5, "sgd")
    (tmp_path / "one.safetensors").write_bytes(b"")
    with pytest.raises(CorruptFile):
        copy_checkpoint(tmp_path / "one", tmp_path / "other/two")
    assert not (tmp_path / "other").exists()
