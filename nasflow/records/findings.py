"""What a look at a tree of results has found: which files were seen, and what is broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nasflow.storage.files import CorruptFile

T = TypeVar("T")
RERUN = "rerun the stage that writes it"


class Findings:
    """The files that were looked at, and a reason for each that is broken: the first found."""

    def __init__(self) -> None:
        self.seen: set[Path] = set()
        self.broken: dict[str, str] = {}

    def tell(self, path: Path | str, reason: str) -> None:
        self.broken.setdefault(str(path), " ".join(reason.split()))

    def read(self, path: Path, reader: Callable[[Path], T]) -> T | None:
        """What the reader makes of a file, or None, with its complaint on the list."""
        self.seen.add(path)
        try:
            return reader(path)
        except CorruptFile as error:
            self.tell(*str(error).split(": ", 1))
        except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
            self.tell(path, f"{type(error).__name__}: {error}; {RERUN}")
        return None

    def expect(self, path: Path, **facts: tuple[object, object]) -> None:
        """Names of facts with what was found and what must stand there."""
        for name, (found, expected) in facts.items():
            if found != expected:
                self.tell(path, f"{name} {found}, expected {expected}; {RERUN}")
