"""Files that are whole or absent, and that are checked when they are read.

A seal is the sha256 of the text of a JSON record; it is the last entry of the record. A page of
HTML ends with the sha256 of its text in the same way.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

SCHEMA = 1  # the newest schema of JSON records that this version reads
SEAL = "sha256"  # the key of the seal in a JSON record
MIRRORED = "mlartifacts"  # the folder of MLflow's files; it lies beside the experiments


class CorruptFile(Exception):
    """A file is missing or is not what was written. The command ends with exit code 3.

    The message is one line: the path of the file, what is wrong, and a remedy.
    """


def write(path: Path, content: bytes) -> str:
    """Write a file so that it is whole or absent, even after a crash or a power cut.

    The content goes to a temporary file in the same folder, which is synced to the disk and then
    renamed. Folders that are missing are made.

    Args:
        path: the file; an older one is replaced.
        content: the bytes of the file.

    Returns:
        The sha256 of the content, in hexadecimal.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return hashlib.sha256(content).hexdigest()


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


def read_json(path: Path) -> Any:
    """Read a JSON record and check its seal.

    Records without a seal are accepted, because the first versions wrote none.

    Args:
        path: the file.

    Returns:
        The data without its seal.

    Raises:
        CorruptFile: if the file is missing, is not JSON, differs from what was sealed, or has a
            newer schema.
    """
    try:
        content = path.read_bytes()
        data = json.loads(content)
    except FileNotFoundError as error:
        raise CorruptFile(f"{path}: missing; rerun the stage that writes it") from error
    except ValueError as error:
        raise CorruptFile(f"{path}: not JSON ({error}); rerun the stage that writes it") from error
    if not isinstance(data, dict):
        return data
    _check_seal(path, content, SEAL in data)
    check_schema(path, data.get("schema", SCHEMA), SCHEMA)
    return {key: value for key, value in data.items() if key != SEAL}


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
    content = path.read_bytes()
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
    if not isinstance(found, int) or not 1 <= found <= known:
        reads = "1" if known == 1 else f"1 to {known}"
        raise CorruptFile(
            f"{path}: schema {found}; this nasflow reads schema {reads}; "
            "read it with the nasflow that wrote it"
        )


def verified(path: Path, sha256: str) -> bytes:
    """Read a file whose sha256 is known.

    Args:
        path: the file.
        sha256: the expected sha256, in hexadecimal.

    Returns:
        The content of the file.

    Raises:
        CorruptFile: if the file is missing or has another sha256.
    """
    if not path.is_file():
        raise CorruptFile(f"{path}: missing; rerun the stage that writes it")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise CorruptFile(
            f"{path}: sha256 {found[:12]}, expected {sha256[:12]}; rerun the stage that writes it"
        )
    return content


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
