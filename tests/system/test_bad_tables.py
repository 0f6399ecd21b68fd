"""Bad tables, cases 71 and 72 of the list: each is refused in one line."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_input import Case, Make, one_line, parameter, shards

from nasflow.storage.contents import verified
from nasflow.storage.tables import PARTICLES, SCHEMAS, read_table, write_table

ROW: dict[str, Any] = dict.fromkeys(PARTICLES.names, 1) | {"restarted": False}


ROWS = [ROW | {"step": step, "node": node} for step in (1, 2) for node in (0, 1)]


def recorded(change: Callable[[bytes], bytes]) -> Make:
    """Give a table of a round other bytes."""

    def make(folder: Path) -> Callable[[], object]:
        file = folder / "particles.parquet"
        write_table(file, ROWS)
        file.write_bytes(change(file.read_bytes()))
        return functools.partial(read_table, file)

    return make


def sealed(change: Callable[[bytes], bytes]) -> Make:
    """Write a table that is sound alone, but not the table whose sha256 the status holds."""

    def make(folder: Path) -> Callable[[], object]:
        file = folder / "particles.parquet"
        sha256 = write_table(file, ROWS)
        file.write_bytes(change(file.read_bytes()))
        return lambda: (verified(file, sha256), read_table(file))

    return make


def rows(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Make:
    def other(_: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(change(ROWS), schema=PARTICLES), sink)
        return bytes(sink.getvalue().to_pybytes())

    return sealed(other)


def columns(change: Callable[[pa.Table], pa.Table]) -> Make:
    def make(folder: Path) -> Callable[[], object]:
        file = folder / "particles.parquet"
        table = change(pa.Table.from_pylist(ROWS, schema=SCHEMAS[file.name]))
        pq.write_table(table, file, write_page_checksum=True)
        return functools.partial(read_table, file)

    return make


def _nan(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("energy")
    return table.set_column(place, "energy", [[float("nan")] * len(table)])


def shard(change: Callable[[bytes], bytes]) -> Make:
    """Give a Parquet file of pictures other bytes."""

    def make(folder: Path) -> list[str]:
        options = shards([0, 1] * 3)(folder)
        file = folder / "a.parquet"
        file.write_bytes(change(file.read_bytes()))
        return list(options)  # type: ignore[arg-type]

    return make


def _middle(content: bytes) -> bytes:
    return content[:40] + bytes([content[40] ^ 1]) + content[41:]


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "0 bytes": lambda _: b"",
    "PAR1": lambda _: b"PAR1",
    "text": lambda _: b"step,node\n1,0\n",
    "footer cut": lambda b: b[:-20],
    "footer of 2**31": lambda b: b[:-8] + struct.pack("<I", 2**31) + b[-4:],
    "trailing newline": lambda b: b + b"\n",
}


NAMED = ["particles.parquet"]


PARQUET = [
    *(Case(71, name, recorded(change), NAMED, 3) for name, change in BROKEN.items()),
    Case(71, "flipped bit", recorded(_middle), NAMED, 3),
    Case(71, "two files in one", sealed(lambda b: b + b), NAMED, 3),
    *(Case(71, f"pictures, {n}", shard(c), ["a.parquet: no readable"]) for n, c in BROKEN.items()),
    Case(72, "column missing", columns(lambda t: t.drop_columns(["tau"])), NAMED, 3),
    Case(72, "column too many", columns(lambda t: t.append_column("x", [[1] * 4])), NAMED, 3),
    Case(72, "NaN", columns(_nan), NAMED, 3),
    Case(72, "column of text", columns(lambda t: t.set_column(0, "step", [["1"] * 4])), NAMED, 3),
    Case(72, "step and node twice", rows(lambda r: r + r), NAMED, 3),
    Case(72, "step and node missing", rows(lambda r: r[:3]), NAMED, 3),
    Case(72, "rows of another run", rows(lambda r: [row | {"k": 9} for row in r]), NAMED, 3),
]


@pytest.mark.parametrize("case", map(parameter, PARQUET))
def test_a_bad_table_is_refused_in_one_line(case: Case, folder: Path, capfd: Any) -> None:
    one_line(case, folder, capfd)


def test_the_list_of_bad_tables_is_complete() -> None:
    assert sorted({case.number for case in PARQUET}) == list(range(71, 73))
