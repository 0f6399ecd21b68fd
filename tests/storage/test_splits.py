"""A split must agree with data.json."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasflow.storage.files import CorruptFile, read_json, write_json
from nasflow.storage.splits import SPLITS, read_split


@pytest.mark.parametrize("split", SPLITS)
def test_splits_are_checked_against_what_data_json_says(copied: Path, split: str) -> None:
    folder = copied / "data"
    facts = read_json(folder / "data.json")
    write_json(folder / "data.json", facts | {"classes": ["a", "b"]})
    with pytest.raises(CorruptFile, match="of 2 classes"):
        read_split(folder, split, "cpu")
