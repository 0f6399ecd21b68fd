"""Tables that are damaged or have another form are refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nasflow.storage.files import CorruptFile
from nasflow.storage.tables import read_table, write_table


def test_a_flipped_bit_in_a_table_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    row = {"epoch": 0.1, "tau": 0.1, "train_loss": 1.0}
    write_table(path, [{"step": i, **row} for i in range(100)])
    clean = bytearray(path.read_bytes())
    for position in range(20, 60, 7):
        damaged = clean.copy()
        damaged[position] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(CorruptFile):
            read_table(path)


def test_tables_of_another_form_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    write_table(path, [{"step": 1, "tau": float("inf"), "train_loss": float("nan")}])
    table = read_table(path)
    assert table["tau"].null_count == table["train_loss"].null_count == 1
    step = table.schema.get_field_index("step")
    for other, complaint in (
        (table.drop_columns(["tau"]), "columns"),
        (table.append_column("more", pa.array([1])), "columns"),
        (table.set_column(step, "step", pa.array([1], pa.int32())), "columns"),
        (table.set_column(3, "train_loss", pa.array([float("nan")])), "train_loss is not finite"),
    ):
        pq.write_table(other, path, write_page_checksum=True)
        with pytest.raises(CorruptFile, match=complaint):
            read_table(path)
