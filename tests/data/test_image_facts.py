"""A network is found by the name of any of its files."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import GOLDEN

from nasflow.data.image_facts import stem_of

NETWORK = GOLDEN / "nasgd/seed_0/final/network"


def test_stems_are_found_by_any_file(tmp_path: Path) -> None:
    for name in (NETWORK, f"{NETWORK}.json", f"{NETWORK}.architecture.json", NETWORK.parent):
        assert stem_of(Path(name)) == NETWORK
    with pytest.raises(ValueError, match="no checkpoint there"):
        stem_of(tmp_path / "network")
