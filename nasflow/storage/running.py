"""How far a running stage is, for a program that looks on from outside.

A stage writes a small file while it runs, in the folder that the environment variable
NASFLOW_PROGRESS names, and removes it at its end. `nasflow fit` sets the variable and draws what
it finds there. No result depends on these files; a write that fails is left out.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

VARIABLE = "NASFLOW_PROGRESS"
EVERY = 0.5  # seconds between two files


class Running(NamedTuple):
    """How far a stage is.

    Attributes:
        title: the name of the stage.
        done: the number of steps done.
        of: the number of all steps.
        note: a few words about losses and particles.
    """

    title: str
    done: int
    of: int
    note: str


class Told:
    """Tells how far one stage is.

    Args:
        title: the name of the stage.
    """

    def __init__(self, title: str) -> None:
        folder = os.environ.get(VARIABLE)
        name = re.sub(r"[^a-z0-9]+", "_", title.lower())
        self._file = Path(folder) / f"{name}.json" if folder else None
        self._title, self._last = title, 0.0

    def tell(self, done: int, of: int, note: str) -> None:
        """Write the file, where the variable is set and EVERY seconds have passed.

        Args:
            done: the number of steps done.
            of: the number of all steps.
            note: a few words about losses and particles.
        """
        now = time.monotonic()
        if self._file is None or now - self._last < EVERY:
            return
        self._last = now
        new = self._file.with_suffix(".new")
        with suppress(OSError):
            new.write_text(json.dumps([self._title, done, of, note]), encoding="utf-8")
            new.replace(self._file)

    def end(self) -> None:
        """Remove the file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)


def running(folder: Path) -> list[Running]:
    """Read the files of all stages that run.

    Args:
        folder: the folder that NASFLOW_PROGRESS names.
    """
    found = []
    for file in sorted(folder.glob("*.json")):
        with suppress(OSError, ValueError, TypeError):
            title, done, of, note = json.loads(file.read_text(encoding="utf-8"))
            found.append(Running(str(title), int(done), int(of), str(note)))
    return found
