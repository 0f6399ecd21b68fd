"""Tables of a stage as Parquet: exact columns, page checksums, no time of writing, null for NaN.

Parquet without page checksums does not notice a flipped bit (294 of 300 went unnoticed); with them
every one was noticed.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import compute

from nasflow.printable import printable
from nasflow.storage.files import CorruptFile, check_schema, write

Cell: TypeAlias = "bool | int | float | str | None"


def _schema(**columns: str) -> pa.Schema:
    kinds = {"i": pa.int64(), "f": pa.float64(), "s": pa.string(), "b": pa.bool_(), "n": pa.int32()}
    return pa.schema([(name, kinds[kind]) for name, kind in columns.items()])


PARTICLES = _schema(
    step="i", k="i", node="n", count="i", share="f", validation_loss="f", train_loss="f",
    price="f", kinetic="f", trend="f", energy="f", tau="f", moved="i", count_after="i", weight="f",
    standard_error="f", phi="f", restarted="b",
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
ADDED: dict[str, dict[int, tuple[str, ...]]] = {
    "architectures.parquet": {2: ("died_at", "died_of")},
    "particles.parquet": {2: ("price", "kinetic", "count_after"), 3: ("trend",)},
}
VERSION = "nasflow.schema"
# A column of equal values takes almost no bytes in a file: 1.7 MB held 60 million rows, which took
# 2.8 GB. The rows of nasflow differ from one another, so that each takes several bytes.
ROWS = 500_000  # most rows of a table, besides one for each byte of its file
NETWORKS = 100_001  # rows of architectures.parquet: search.n_neigh children and their parent
TEXTS = 50_000_000  # bytes of all texts of a table


def write_table(path: Path, rows: Sequence[Mapping[str, Cell]]) -> str:
    """Write rows as a table whose columns the name of the file decides.

    Args:
        path: the file to write.
        rows: values by column; what is not finite becomes null.

    Returns:
        The sha256 of the file.
    """
    version = str(_version(path.name))
    schema = SCHEMAS[path.name].with_metadata({VERSION: version})
    table = pa.Table.from_pylist([_finite(row) for row in rows], schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return write(path, sink.getvalue().to_pybytes())


def read_table(path: Path) -> pa.Table:
    """Read a table that `write_table` wrote, of this or an older version.

    Columns that an older version lacks are null. Columns whose meaning has changed since then are
    translated to the new meaning.

    Args:
        path: the file, whose name decides the columns.

    Returns:
        The table with all columns of this version.

    Raises:
        CorruptFile: if the file is damaged, has other columns or a newer version, holds a value
            that is not finite, or has far more rows or text than such a file has.
    """
    table = _read(path)
    found = (table.schema.metadata or {}).get(VERSION.encode(), b"1").decode(errors="replace")
    version = int(found) if found.isdecimal() else found
    check_schema(path, version, _version(path.name))
    expected = SCHEMAS[path.name]
    later = [c for v, names in ADDED.get(path.name, {}).items() if v > int(version) for c in names]
    older = pa.schema([field for field in expected if field.name not in later])
    if not _plain(table.schema).equals(older):
        raise CorruptFile(f"{path}: columns {table.schema.names}; expected {older.names}")
    for name in (field.name for field in older if pa.types.is_floating(field.type)):
        finite = compute.is_finite(table[name].drop_null())  # to_numpy would import pandas
        if not compute.all(finite, min_count=0).as_py():
            raise CorruptFile(f"{path}: {name} is not finite in some row")
    table = _whole_texts(path, table)
    for name in sorted(later, key=expected.get_field_index):
        nulls = pa.nulls(len(table), expected.field(name).type)
        table = table.add_column(expected.get_field_index(name), expected.field(name), nulls)
    if "count_after" in later:
        table = _one_instant(path, table)
    return table


def _read(path: Path) -> pa.Table:
    """Read a table, whose columns of texts stay dictionaries: a text may stand in every row."""
    texts = {field.name for field in SCHEMAS[path.name] if pa.types.is_string(field.type)}
    try:
        size = _size(path)
        with pq.ParquetFile(path) as file:
            rows, names = int(file.metadata.num_rows), file.schema_arrow.names
        most = NETWORKS if path.name == "architectures.parquet" else ROWS + size
        if rows > most or len(names) > 100:
            raise CorruptFile(
                f"{path}: {rows} rows of {len(names)} columns; expected at most {most} rows; "
                "rerun the stage that writes it"
            )
        there = sorted(texts & set(names))
        with pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=there) as file:
            return file.read()  # pq.read_table would import pandas
    except (OSError, MemoryError, ValueError, pa.ArrowException) as error:
        reason = printable(" ".join(str(error).split()))
        raise CorruptFile(
            f"{path}: not readable ({reason}); rerun the stage that writes it"
        ) from error


def _size(path: Path) -> int:
    """Return the bytes of a regular file; a pipe or a link is none of our tables."""
    facts = os.lstat(path)
    if not stat.S_ISREG(facts.st_mode):
        raise CorruptFile(f"{path}: no regular file; remove it and rerun the stage that writes it")
    return facts.st_size


def _plain(schema: pa.Schema) -> pa.Schema:
    """Return a schema with texts in place of dictionaries of texts."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema
    ]
    return pa.schema(fields)


def _whole_texts(path: Path, table: pa.Table) -> pa.Table:
    """Write out the dictionaries of texts, unless the texts would fill the memory."""
    total = 0
    for name in (f.name for f in table.schema if pa.types.is_dictionary(f.type)):
        for chunk in table[name].chunks:
            lengths = compute.binary_length(chunk.dictionary)
            total += compute.sum(lengths.take(chunk.indices)).as_py() or 0
    if total > TEXTS:
        raise CorruptFile(f"{path}: {total} bytes of text; expected at most {TEXTS}")
    return table.cast(_plain(table.schema).with_metadata(table.schema.metadata))


def _one_instant(path: Path, table: pa.Table) -> pa.Table:
    """Translate particles.parquet of version 1.

    There `count`, `share` and `phi` belong to the moment after the move of the step, and `energy`
    to the moment before it. Now all of them belong to the moment before the move, which the row of
    the step before describes. Only in a step in which a child dropped out is the result not exact:
    the particles of the child left it before E was computed, and version 1 does not tell how many.
    """
    if not len(table) or table["count"].null_count:
        return table
    m = 1 + int(compute.max(table["node"]).as_py())
    nulls = table["node"].null_count + table["phi"].null_count
    if m < 1 or len(table) % m or nulls:
        raise CorruptFile(f"{path}: {len(table)} rows, {m} nodes; expected a row for each node")
    after = np.array(table["count"].to_pylist()).reshape(-1, m)
    phi = np.array(table["phi"].to_pylist()).reshape(-1, m)
    start = np.ones((1, m), dtype=np.int64)
    start[0, 0] = after[0].sum() - (m - 1)
    before = np.concatenate([start, after[:-1]])
    columns = {
        "count": before,
        "share": before / after[0].sum(),
        "phi": np.concatenate([np.zeros((1, m)), phi[:-1]]),
        "count_after": after,
    }
    for name, values in columns.items():
        field = PARTICLES.field(name)
        column = pa.array(values.reshape(-1), type=field.type)
        table = table.set_column(PARTICLES.get_field_index(name), field, column)
    return table


def _version(name: str) -> int:
    return max(ADDED.get(name, {1: ()}))


def _finite(row: Mapping[str, Cell]) -> dict[str, Cell]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }
