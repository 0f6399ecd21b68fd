"""The listing of a source shows names and sizes and nothing hidden."""

from __future__ import annotations

import shutil
from pathlib import Path

from nasflow.config.data import Data
from nasflow.data.listing import listing


def test_the_listing_sees_names_and_sizes_and_nothing_hidden(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    data = Data(source="folder", train=str(tmp_path / "photos"))
    before = listing(data)
    assert before == listing(Data(source="folder", train=str(photos)))
    (tmp_path / "photos/one/.DS_Store").write_text("x")
    assert listing(data) == before
    (tmp_path / "photos/one/new.png").write_text("x")
    one = listing(data)
    (tmp_path / "photos/one/new.png").write_text("xx")
    assert len({before, one, listing(data)}) == 3
    assert listing(Data(source="folder", train=str(tmp_path / "gone"))) is None
    assert listing(Data()) == listing(Data(size=9))
