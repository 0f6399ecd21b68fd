"""A .safetensors file from elsewhere: its header is bounded before its tensors are made.

`tensors` copies them, and `in_place` does not: images are large, and nobody changes them.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from nasflow.storage.record import CorruptFile

TYPES = {"I64": torch.int64, "U8": torch.uint8}  # of the tensors of a split
LONGEST = 16_000_000  # bytes of a header; that of 5,000 nodes has about 5 MB
MOST = 100_000  # tensors of a file


def tensors(path: Path, content: bytes) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors file.

    Args:
        path: the file, for messages.
        content: the content of the file.

    Returns:
        The tensors by name, on the CPU.

    Raises:
        CorruptFile: if the content is not safetensors, if a tensor has two entries (the library
            reads one of them and reports no error), or if there are too many tensors.
    """
    _check(path, content)
    try:
        return load(content)
    except (SafetensorError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error


def in_place(path: Path, content: bytes) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors file without a copy of them.

    Args:
        path: the file, for messages.
        content: the content of the file.

    Returns:
        The tensors by name, on the CPU. They are views of `content`: nothing may be written to
        them. A file that has other types than TYPES, or an unusual layout, is copied.

    Raises:
        CorruptFile: as `tensors` raises it.
    """
    _check(path, content)
    start = 8 + int.from_bytes(content[:8], "little")
    found = {}
    try:
        for name, facts in json.loads(content[8:start]).items():
            kind, shape, (first, end) = facts["dtype"], facts["shape"], facts["data_offsets"]
            size, at = math.prod(shape), start + first
            whole = end - first == size * TYPES[kind].itemsize and start <= at
            if not whole or at % TYPES[kind].itemsize or start + end > len(content) or not size:
                return tensors(path, content)
            with warnings.catch_warnings():  # torch warns that bytes cannot be written
                warnings.simplefilter("ignore", UserWarning)
                flat = torch.frombuffer(content, dtype=TYPES[kind], count=size, offset=at)
            found[name] = flat.reshape(shape)
    except (ValueError, LookupError, TypeError, RuntimeError):
        return tensors(path, content)
    return found


def _check(path: Path, content: bytes) -> None:
    """Raise CorruptFile where the header is too long, or names too much or one tensor twice."""
    size = int.from_bytes(content[:8], "little")
    if size > LONGEST:
        raise CorruptFile(
            f"{path}: not safetensors (a header of {size} bytes; expected at most {LONGEST})"
        )
    names: list[str] = []
    try:
        # The hook sees the facts of each tensor too, which are mappings; their keys have no dot.
        json.loads(content[8 : 8 + size], object_pairs_hook=lambda p: names.extend(k for k, _ in p))
        named = [name for name in names if "." in name]
        if len(names) > 5 * MOST:
            raise CorruptFile(
                f"{path}: {len(names)} names in the header; expected at most {5 * MOST}"
            )
        if twice := _twice(named):
            raise CorruptFile(f"{path}: {twice!r} has two entries, expected one")
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CorruptFile:
    return CorruptFile(f"{path}: not safetensors ({' '.join(str(error).split())[:200]})")


def _twice(names: Iterable[str]) -> str | None:
    """Return the first name that comes a second time, or None."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
