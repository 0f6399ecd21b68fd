"""Amounts as people write them on a command line: 64k, 256 KiB, 2e6, 97 %.

k, M and G are 1,000, a million and a billion; Ki, Mi and Gi are 1,024, 1,024² and 1,024³.
"""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError

from nasflow.printable import shown

UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}
NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:e[0-9]{1,2})?) ?([a-z]*)")


def size(text: str) -> float:
    """Read a number of bytes, such as `64k`, `256KiB` or `1 MB`; a B at the end is left out."""
    found = NUMBER.fullmatch(text.strip().casefold())
    unit = found[2].removesuffix("b") if found else ""
    if found is None or unit not in UNITS:
        raise ArgumentTypeError(
            f"{shown(text)}; expected bytes, such as 65536, 64k (64,000 bytes) or 64KiB (65,536)"
        )
    return _positive(float(found[1]) * UNITS[unit], text)


def count(text: str) -> float:
    """Read a number of things, such as `10000`, `10k` or `2e6`."""
    found = NUMBER.fullmatch(text.strip().casefold())
    if found is None or found[2] not in ("", "k", "m", "g"):
        raise ArgumentTypeError(f"{shown(text)}; expected a number, such as 10000, 10k or 2e6")
    return _positive(float(found[1]) * UNITS[found[2]], text)


def positive(text: str) -> float:
    """Read a number above zero, such as milliseconds."""
    try:
        return _positive(float(text), text)
    except ValueError as error:
        raise ArgumentTypeError(f"{shown(text)}; expected a number, such as 2.5") from error


def fraction(text: str) -> float:
    """Read a part of a whole, such as `0.97` or `97%`."""
    plain = text.strip()
    try:
        value = float(plain.removesuffix("%")) / (100.0 if plain.endswith("%") else 1.0)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise ArgumentTypeError(f"{shown(text)}; expected a fraction such as 0.97, or 97%")
    return value


def _positive(value: float, text: str) -> float:
    if not 0.0 < value < math.inf:
        raise ArgumentTypeError(f"{shown(text)}; expected a number above 0")
    return value
