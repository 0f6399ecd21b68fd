"""Tables that are damaged or have another form are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rounds import run

from nasflow.storage.files import CorruptFile
from nasflow.storage.tables import PARTICLES, VERSION, read_table, write_table


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


def test_particles_of_version_1_are_read_as_one_instant(prepared: Path, tmp_path: Path) -> None:
    """Version 1 told count, share and phi after the move, and none of the new columns."""
    folder = Path(shutil.copytree(prepared, tmp_path / "work"))
    more = {"second_order": {"restart": "never"}, "confidence": 1.0, "min_lead": 0.0}
    new = read_table(run(folder, "new", 1, "nasagd", warmup_steps=10, **more) / "particles.parquet")
    rows = new.to_pylist()
    assert sum(row["moved"] for row in rows) > 0 and any(row["phi"] for row in rows)
    total = sum(row["count"] for row in rows if row["step"] == 1)
    phi = {(row["step"] - 1, row["node"]): row["phi"] for row in rows}
    last = max(row["step"] for row in rows)
    for row in rows:
        row["count"], row["share"] = row["count_after"], row["count_after"] / total
        row["phi"] = phi.get((row["step"], row["node"]), -1.0)  # of the last step: read by nobody
    added = ("price", "kinetic", "trend", "count_after")
    old = [name for name in PARTICLES.names if name not in added]
    schema = pa.schema([PARTICLES.field(name) for name in old]).with_metadata({VERSION: "1"})
    file = folder / "particles.parquet"
    table = pa.Table.from_pylist([{name: row[name] for name in old} for row in rows], schema)
    pq.write_table(table, file, write_page_checksum=True)
    read = read_table(file)
    assert last > 10
    assert all(read[name].null_count == len(read) for name in ("price", "kinetic", "trend"))
    for name in [*old, "count_after"]:
        assert read[name].equals(new[name]), name
