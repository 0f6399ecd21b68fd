"""What a check of a tree of results has found: the files that were read, and the broken ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from nasflow.storage.contents import check_sha256, read
from nasflow.storage.files import CorruptFile

T = TypeVar("T")
RERUN = "rerun the stage that writes it"
LONGEST = 1_000  # characters of a reason
# What a damaged file can cause in its reader, besides CorruptFile.
ERRORS = (
    *(ValueError, LookupError, TypeError, AttributeError, OSError),
    *(ArithmeticError, AssertionError, RecursionError, MemoryError, pa.ArrowException),
)


class Findings:
    """Collects which files a check has read, and one reason for each broken file.

    When several checks of one file fail, the reason of the first one is kept.

    Attributes:
        seen: every file that the check has read, or has tried to read.
        broken: maps the path of each broken file to the reason, in one line.
    """

    def __init__(self) -> None:
        self.seen: set[Path] = set()
        self.broken: dict[str, str] = {}

    def tell(self, path: Path | str, reason: str) -> None:
        """Record that a file is broken, unless it has already been recorded.

        Args:
            path: the broken file.
            reason: what is wrong; line breaks in it become spaces.
        """
        short = " ".join(reason.split())
        if len(short) > LONGEST:
            short = f"{short[:LONGEST]} ..."
        self.broken.setdefault(str(path), short)

    def read(self, path: Path, reader: Callable[[Path], T]) -> T | None:
        """Read a file, and record it as broken when its reader fails.

        Args:
            path: the file to read.
            reader: reads the file. A CorruptFile that it raises must name the broken file, which
                may be another one than `path`, before the first ": ". Any other error of the
                kinds that a damaged file can cause is recorded for `path`.

        Returns:
            What the reader returns, or None when the reader fails.
        """
        self.seen.add(path)
        try:
            return reader(path)
        except CorruptFile as error:
            broken, _, reason = str(error).partition(": ")
            self.tell(broken, reason)
        except ERRORS as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            self.tell(path, f"{reason}; {RERUN}")
        return None

    def whole(self, path: Path, sha256: str | None) -> bool:
        """Check a file against its digest, or only that it can be read when no digest is known.

        Args:
            path: the file to read.
            sha256: the expected SHA-256 in hexadecimal, or None when it is not known.

        Returns:
            False when the file is broken or missing.
        """

        def reader(path: Path) -> bool:
            if sha256:
                check_sha256(path, sha256)
            else:
                read(path)
            return True

        return bool(self.read(path, reader))

    def expect(self, path: Path, **facts: tuple[object, object]) -> None:
        """Record a file as broken when a fact about it is not the expected one.

        Args:
            path: the file that states the facts.
            facts: for each fact, by its name: the value that was found, and the expected value.
        """
        for name, (found, expected) in facts.items():
            if found != expected:
                self.tell(path, f"{name} {found}, expected {expected}; {RERUN}")
