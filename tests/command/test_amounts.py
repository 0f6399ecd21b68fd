"""Amounts are read as people write them, and what is no amount is refused with examples."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest

from nasflow.command.amounts import count, fraction, positive, size


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("65536", 65_536), ("64k", 64_000), ("64 kB", 64_000), ("64KiB", 65_536)),
        *(("1MB", 1e6), ("0.5Mi", 524_288), ("2e3", 2_000), ("100b", 100)),
    ],
)
def test_bytes(text: str, value: float) -> None:
    assert size(text) == value


def test_numbers_and_parts() -> None:
    assert [count(text) for text in ("10000", "10k", "2e6", "1.5M")] == [1e4, 1e4, 2e6, 1.5e6]
    assert {fraction(text) for text in ("0.97", "97%", "97 %")} == {0.97}
    assert [fraction(text) for text in ("1", "0%")] == [1.0, 0.0]
    assert positive("2.5") == 2.5


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        *((size, text, "64KiB") for text in ("64q", "-1", "", "k", "1 000", "1e999")),
        *((count, text, "10k") for text in ("10kB", "0x10", "nan")),
        *((fraction, text, "97%") for text in ("97", "-0.1", "nan", "all", "101%")),
        *((positive, text, "number") for text in ("0", "-2", "inf", "nan", "fast")),
        (size, "0", "above 0"),
    ],
)
def test_what_is_no_amount_is_refused(read: Callable[[str], float], text: str, words: str) -> None:
    with pytest.raises(ArgumentTypeError, match=words):
        read(text)
