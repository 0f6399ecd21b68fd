"""Files that are whole or absent, and whose readers can tell."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any


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
    """Readable JSON; a NaN or infinity becomes null, since JSON has none."""
    return write(path, (json.dumps(_finite(data), indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """CorruptFile names the file when it is missing or no JSON."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CorruptFile(f"{path}: missing; rerun the stage that writes it") from error
    except ValueError as error:
        raise CorruptFile(f"{path}: not JSON ({error}); rerun the stage that writes it") from error


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


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {k: _finite(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(v) for v in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
