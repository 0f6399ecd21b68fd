"""Files that are whole or absent, and that are checked when they are read.

A seal is the sha256 of the text of a JSON record; it is the last entry of the record. A page of
HTML ends with the sha256 of its text in the same way.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nasflow.printable import printable
from nasflow.storage.contents import read
from nasflow.storage.record import CorruptFile as CorruptFile
from nasflow.storage.record import record
from nasflow.storage.shapes import check_shape

SCHEMA = 1  # the newest schema of JSON records that this version reads
SEAL = "sha256"  # the key of the seal in a JSON record
PAGE = 500_000_000  # bytes of a page
LARGEST = 8_000_000  # bytes of a JSON record; parsed, the worst of them need some 200 MB
MIRRORED = "mlartifacts"  # the folder of MLflow's files; it lies beside the experiments


def write(path: Path, *content: bytes | memoryview) -> str:
    """Write a file so that it is whole or absent, even after a crash or a power cut.

    The content goes to a temporary file in the same folder, which is synced to the disk and then
    renamed. Folders that are missing are made.

    Args:
        path: the file; an older one is replaced.
        content: the bytes of the file, in one part or in several.

    Returns:
        The sha256 of the content, in hexadecimal.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    digest = hashlib.sha256()
    try:
        with open(temporary, "xb") as file:
            for part in content:
                file.write(part)
                digest.update(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)
    return digest.hexdigest()


def sync(folder: Path) -> None:
    """Write the entries of a folder to the disk, so that a power cut undoes no renaming in it."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def write_json(path: Path, data: Any) -> str:
    """Write data as readable JSON, and seal it when it is a mapping with an entry.

    The seal is the last entry of the mapping: the sha256 of the text before it.

    Args:
        path: the file; an older one is replaced.
        data: plain data. NaN and infinity become null, because JSON has neither.

    Returns:
        The sha256 of the whole file, in hexadecimal.
    """
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if key != SEAL}
    text = json.dumps(_finite(data), indent=1, allow_nan=False).encode()
    if isinstance(data, dict) and data:
        body = text.removesuffix(b"\n}")
        return write(path, body + _seal(body))
    return write(path, text + b"\n")


def read_json(path: Path, kind: str | None = None) -> Any:
    """Read a JSON record, and check its seal, its types and its bounds.

    Records without a seal are accepted, because the first versions wrote none.

    Args:
        path: the file.
        kind: what it must hold, a key of `shapes.SHAPES`; by default its name decides.

    Returns:
        The data without its seal. Its mappings are records, which name the file where a key is
        missing.

    Raises:
        CorruptFile: if the file is missing, is not JSON, differs from what was sealed, has a
            newer schema, or holds a value of a wrong type or out of bounds.
    """
    content = read(path, LARGEST)
    try:
        data = json.loads(content, parse_constant=_no_constant, parse_float=_finite_number)
    except (ValueError, RecursionError, MemoryError) as error:
        reason = printable(str(error)) or type(error).__name__
        raise CorruptFile(f"{path}: not JSON ({reason}); rerun the stage that writes it") from error
    if isinstance(data, dict):
        _check_seal(path, content, SEAL in data)
        check_schema(path, data.get("schema", SCHEMA), SCHEMA)
        data = {key: value for key, value in data.items() if key != SEAL}
    check_shape(path, data, kind)
    return record(path, data)


@contextmanager
def consistent(place: Path) -> Iterator[None]:
    """Report records that are whole and do not fit one another as one line, not as a traceback.

    Each value has the type and the bounds of its kind when it was read. But a record may name row
    7 of a table of 3 rows, or a table may lack a value where another record says that it is there.

    Args:
        place: the folder or file whose records are used within the block.

    Raises:
        CorruptFile: in place of the error that such records cause.
    """
    try:
        yield
    except CorruptFile:
        raise
    except (LookupError, TypeError, AttributeError, ArithmeticError, AssertionError) as error:
        found = printable(f"{type(error).__name__}: {error}")[:200]
        raise CorruptFile(
            f"{place}: its records do not fit one another ({found}); see `nasflow verify`, and "
            "rerun the stage that wrote them"
        ) from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large")
    return number


def _check_seal(path: Path, content: bytes, sealed: bool) -> None:
    """Raise CorruptFile when a record of JSON differs from its seal; `sealed`: it has that key."""
    body = content[: -len(_seal(b""))]
    seal = _seal(body)
    # Where damage has hit the key of the seal, the 64 digits of the seal are still there.
    damaged = not sealed and seal[-68:-4] in content
    if damaged or (sealed and content != body + seal):
        raise CorruptFile(
            f"{path}: the content does not fit its sha256; rerun the stage that writes it"
        )


def write_page(path: Path, html: str) -> str:
    """Write a page of HTML with a last line that holds the sha256 of the text before it.

    Args:
        path: the file; an older one is replaced.
        html: the text of the page; white space at its end is dropped.

    Returns:
        The sha256 of the whole file, in hexadecimal.
    """
    body = html.rstrip().encode()
    return write(path, body + _signature(body))


def read_page(path: Path) -> str:
    """Read a page that `write_page` wrote.

    Args:
        path: the file, which must exist.

    Returns:
        The HTML without its last line.

    Raises:
        CorruptFile: if the page is not what was written.
    """
    content = read(path, PAGE)
    body = content[: -len(_signature(b""))]
    if content != body + _signature(body):
        raise CorruptFile(f"{path}: not what was written; rerun the stage that writes it")
    return body.decode()


def check_schema(path: Path, found: object, known: int) -> None:
    """Refuse a file whose schema this version does not read.

    Args:
        path: the file, for the message.
        found: the schema that the file states.
        known: the newest schema that this version reads; it also reads all from 1 on.

    Raises:
        CorruptFile: if `found` is not a whole number from 1 to `known`.
    """
    if type(found) is not int or not 1 <= found <= known:
        reads = "1" if known == 1 else f"1 to {known}"
        raise CorruptFile(
            f"{path}: schema {printable(str(found))[:50]}; this nasflow reads schema {reads}; "
            "read it with the nasflow that wrote it"
        )


def _seal(body: bytes) -> bytes:
    """Return the end of a JSON record: the sha256 of `body` as its last entry, and the brace."""
    return f',\n "{SEAL}": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode()


def _signature(body: bytes) -> bytes:
    """Return the last line of a page: a comment that holds the sha256 of `body`."""
    return f"\n<!-- sha256 {hashlib.sha256(body).hexdigest()} -->\n".encode()


def _finite(data: Any) -> Any:
    """Return the data with None in place of every NaN and infinity."""
    if isinstance(data, dict):
        return {k: _finite(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(v) for v in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
