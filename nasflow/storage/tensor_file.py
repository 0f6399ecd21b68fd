"""A .safetensors file from elsewhere: its header is bounded before its tensors are made."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from nasflow.storage.record import CorruptFile

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
        return load(content)
    except (SafetensorError, ValueError, LookupError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CorruptFile(f"{path}: not safetensors ({reason})") from error


def _twice(names: Iterable[str]) -> str | None:
    """Return the first name that comes a second time, or None."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
