"""Files that are whole or absent, and whose readers can tell."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

SCHEMA = 1  # of JSON records; newer ones are refused
SEAL = "sha256"
MIRRORED = "mlartifacts"  # MLflow's files, beside the experiments


class CorruptFile(Exception):
    """A file that is not what was written: one line, exit code 3."""


def write(path: Path, content: bytes) -> str:
    """Write through a temporary file in the same folder, fsync, rename; returns the sha256."""
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
    """Readable JSON; a NaN or infinity becomes null, since JSON has none. A mapping ends with its
    seal, the sha256 of the text before it."""
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if key != SEAL}
    text = json.dumps(_finite(data), indent=1, allow_nan=False).encode()
    if isinstance(data, dict) and data:
        body = text.removesuffix(b"\n}")
        return write(path, body + _seal(body))
    return write(path, text + b"\n")


def read_json(path: Path) -> Any:
    """The data without its seal. CorruptFile names the file when it is missing, no JSON, not what
    was sealed, or of a newer schema. Files from before seals have none."""
    try:
        content = path.read_bytes()
        data = json.loads(content)
    except FileNotFoundError as error:
        raise CorruptFile(f"{path}: missing; rerun the stage that writes it") from error
    except ValueError as error:
        raise CorruptFile(f"{path}: not JSON ({error}); rerun the stage that writes it") from error
    if not isinstance(data, dict):
        return data
    body = content[: -len(_seal(b""))]
    seal = _seal(body)
    damaged = SEAL not in data and seal[-68:-4] in content  # the key itself is hit
    if damaged or (SEAL in data and content != body + seal):
        raise CorruptFile(f"{path}: not what was sealed; rerun the stage that writes it")
    check_schema(path, data.get("schema", SCHEMA), SCHEMA)
    return {key: value for key, value in data.items() if key != SEAL}


def write_page(path: Path, html: str) -> str:
    """HTML whose last line is a comment, the sha256 of the text before it."""
    body = html.rstrip().encode()
    return write(path, body + _signature(body))


def read_page(path: Path) -> str:
    """CorruptFile names a page that is not what was written."""
    content = path.read_bytes()
    body = content[: -len(_signature(b""))]
    if content != body + _signature(body):
        raise CorruptFile(f"{path}: not what was written; rerun the stage that writes it")
    return body.decode()


def check_schema(path: Path, found: object, known: int) -> None:
    """CorruptFile unless the version of a file's form is one of 1 to `known`."""
    if not isinstance(found, int) or not 1 <= found <= known:
        reads = "1" if known == 1 else f"1 to {known}"
        raise CorruptFile(
            f"{path}: schema {found}; this nasflow reads schema {reads}; "
            "read it with the nasflow that wrote it"
        )


def verified(path: Path, sha256: str) -> bytes:
    """The content, once its sha256 is the expected one."""
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
    return f',\n "{SEAL}": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode()


def _signature(body: bytes) -> bytes:
    return f"\n<!-- sha256 {hashlib.sha256(body).hexdigest()} -->\n".encode()


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {k: _finite(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(v) for v in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
