"""Tables of a stage as Parquet: exact schemas, page checksums, no wall clock, no NaN (null).

Parquet without page checksums does not notice a flipped bit (294 of 300 went unseen); with them
none did.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import compute

from nasflow.storage.files import CorruptFile, check_schema, write


def _schema(**columns: str) -> pa.Schema:
    kinds = {"i": pa.int64(), "f": pa.float64(), "s": pa.string(), "b": pa.bool_(), "n": pa.int32()}
    return pa.schema([(name, kinds[kind]) for name, kind in columns.items()])


PARTICLES = _schema(
    step="i", k="i", node="n", count="i", share="f", validation_loss="f", train_loss="f",
    energy="f", tau="f", moved="i", weight="f", standard_error="f",
    phi="f", restarted="b",
)  # fmt: skip
ARCHITECTURES = _schema(
    node="n", parent="s", morphism="s", site="s", fingerprint="s", parameters="i", flops="i",
    output_change="f", train_change="f", count="i", share="f", validation_loss="f",
    validation_accuracy="f", winner="b", died_at="i", died_of="s",
)  # fmt: skip
HISTORY = _schema(
    step="i", epoch="f", tau="f", train_loss="f", validation_loss="f", validation_accuracy="f"
)
PREDICTIONS = _schema(
    image="i", label="n", predicted="n", probability="f", label_probability="f", loss="f"
)
SCHEMAS = {
    "particles.parquet": PARTICLES,
    "architectures.parquet": ARCHITECTURES,
    "history.parquet": HISTORY,
    "predictions.parquet": PREDICTIONS,
}
# name -> the columns that each version added to the one before; version 1 has none of them
ADDED = {"architectures.parquet": {2: ("died_at", "died_of")}}
VERSION = "nasflow.schema"


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    """Rows under the schema of the file's name; returns the sha256. What is not finite is null."""
    version = str(_version(path.name))
    schema = SCHEMAS[path.name].with_metadata({VERSION: version})
    table = pa.Table.from_pylist([_finite(row) for row in rows], schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return write(path, sink.getvalue().to_pybytes())


def read_table(path: Path) -> pa.Table:
    """CorruptFile when the file is damaged, has other columns or a newer schema, or holds what is
    not finite. Columns that an older version lacks are null."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()  # pq.read_table would import pandas
    except (OSError, pa.ArrowException) as error:
        raise CorruptFile(
            f"{path}: not readable ({error}); rerun the stage that writes it"
        ) from error
    newest = _version(path.name)
    found = (table.schema.metadata or {}).get(VERSION.encode(), b"1").decode(errors="replace")
    version = int(found) if found.isdecimal() else found
    check_schema(path, version, newest)
    expected = SCHEMAS[path.name]
    later = [c for v, names in ADDED.get(path.name, {}).items() if v > int(version) for c in names]
    older = pa.schema([field for field in expected if field.name not in later])
    if not table.schema.equals(older):
        raise CorruptFile(f"{path}: columns {table.schema.names}; expected {older.names}")
    for name in (field.name for field in older if pa.types.is_floating(field.type)):
        finite = compute.is_finite(table[name].drop_null())  # to_numpy would import pandas
        if not compute.all(finite, min_count=0).as_py():
            raise CorruptFile(f"{path}: {name} is not finite in some row")
    for name in later:
        nulls = pa.nulls(len(table), expected.field(name).type)
        table = table.add_column(expected.get_field_index(name), expected.field(name), nulls)
    return table


def _version(name: str) -> int:
    return max(ADDED.get(name, {1: ()}))


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }
