"""Snakemake as a child process, whose output goes to a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from nasflow.storage.own_files import opened
from nasflow.storage.running import VARIABLE

LOG = "fit.log"
TARGET = "final_model"


class Pipeline:
    """A run of Snakemake in the folder of an experiment.

    It belongs to the process group of this program, so that Ctrl-C reaches it too.

    Args:
        folder: the folder of the experiment.
        cores: the number of cores that it may use.
        progress: the folder in which stages tell how far they are.
    """

    def __init__(self, folder: Path, cores: int, progress: Path) -> None:
        self.log, self._stopped = folder / LOG, False
        self._read = self.log.stat().st_size if self.log.is_file() else 0
        # -P: without it, Python would import a module of Snakemake from a file in this folder.
        words = [sys.executable, "-P", "-m"]
        words += ["nasflow", "resume"] if _locked(folder) else ["snakemake"]
        words += ["--cores", str(cores), "--", TARGET]
        environment = os.environ | {VARIABLE: str(progress), "PYTHONUNBUFFERED": "1"}
        with open(self.log, "ab", opener=opened) as log:
            self._process = subprocess.Popen(
                words,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    @property
    def interrupted(self) -> bool:
        """Whether it ended since somebody stopped it."""
        return self._stopped

    def stopped(self) -> None:
        """Wait for its end after Ctrl-C, which has reached it too: its stages save their state."""
        self._stopped = True
        self._process.wait()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended.

        Args:
            seconds: how long to wait; None for ever.

        Returns:
            Whether it has ended.
        """
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def lines(self) -> Iterator[str]:
        """Yield the whole lines of its output that were written since the last call."""
        with open(self.log, "rb") as file:
            file.seek(self._read)
            content = file.read()
        end = content.rfind(b"\n") + 1
        self._read += end
        for line in content[:end].decode(errors="replace").splitlines():
            yield line.rstrip()


def _locked(folder: Path) -> bool:
    """Whether a Snakemake that was killed has left its lock."""
    locks = folder / ".snakemake" / "locks"
    return locks.is_dir() and any(locks.iterdir())
