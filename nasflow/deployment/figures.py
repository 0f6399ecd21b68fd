"""What a network takes where it is used: the bytes of its weights and of its maps, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nasflow.architecture.architecture import Architecture
from nasflow.config.kinds import Stored
from nasflow.deployment.flash import flash
from nasflow.deployment.ram import ram

NAMES = ("flash_int8", "flash_float32", "ram_int8", "ram_float32")


def figures(g: Architecture) -> dict[str, int]:
    """Return the bytes of weights and of maps in both precisions, by NAMES.

    Args:
        g: the architecture.
    """
    formats = (Stored.INT8, Stored.FLOAT32)
    found = {f"flash_{precision}": flash(g, precision) for precision in formats}
    return found | {f"ram_{precision}": ram(g, precision) for precision in formats}


def words(found: Mapping[str, Any]) -> str:
    """Say what a network takes: `6.9 kB of weights and 2.1 kB of maps in int8; ...`.

    Args:
        found: a record that holds NAMES. Those of an older nasflow do not: the text is then empty.
    """
    if not all(name in found for name in NAMES):
        return ""
    small, large, few, many = (kilobytes(found[name]) for name in NAMES)
    return f"{small} of weights and {few} of maps in int8; {large} and {many} in float32"


def kilobytes(count: float) -> str:
    """Write a number of bytes in kB (1,000 bytes) or MB, such as `6.9 kB`."""
    return f"{count / 1e6:,.2f} MB" if count >= 999_950 else f"{count / 1e3:.1f} kB"
