"""No changed bit of a JSON record passes, and newer schemas are refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from nasflow.storage.files import CorruptFile, read_json, write_json
from nasflow.storage.tables import read_table

SEARCH = "nasgd/seed_0"


def test_no_bit_of_a_json_record_can_change_unseen(searched: Path, tmp_path: Path) -> None:
    content = (searched / SEARCH / "final/network.json").read_bytes()
    path = tmp_path / "network.json"
    for position in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        with pytest.raises(CorruptFile):
            read_json(path)


def test_newer_versions_are_refused_with_their_number(copied: Path) -> None:
    refused = 0
    for path in sorted(copied.rglob("*.json")):
        data = read_json(path)
        if "schema" in data:
            write_json(path, data | {"schema": 2})
            with pytest.raises(CorruptFile, match="schema 2; this nasflow reads schema 1;") as told:
                read_json(path)
            assert str(told.value).startswith(f"{path}: ")
            refused += 1
    assert refused > 10
    path = copied / SEARCH / "search/round_1/architectures.parquet"
    table = pq.read_table(path).replace_schema_metadata({"nasflow.schema": "3"})
    pq.write_table(table, path, write_page_checksum=True)
    with pytest.raises(CorruptFile, match="schema 3; this nasflow reads schema 1 to 2;"):
        read_table(path)
