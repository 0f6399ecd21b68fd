"""Snakemake as a child process, whose output goes to a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from nasflow.storage.own_files import opened
from nasflow.storage.running import VARIABLE

LOG = "fit.log"
TARGET = "final_model"


class Pipeline:
    """A run of Snakemake in the folder of an experiment.

    It has a process group of its own, to which `told_to_stop` hands signals on.

    Args:
        folder: the folder of the experiment.
        cores: the number of cores that it may use.
        progress: the folder in which stages tell how far they are.

    Attributes:
        log: the file of its output.
        stopped_by: the signal that stopped it, or None.
    """

    def __init__(self, folder: Path, cores: int, progress: Path) -> None:
        self.log = folder / LOG
        self.stopped_by: signal.Signals | None = None
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
                process_group=0,
            )

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    @contextmanager
    def told_to_stop(self) -> Iterator[None]:
        """Hand Ctrl-C, SIGTERM and SIGHUP on within the context, as Ctrl-C to the whole group.

        The stages then save their state, and Snakemake ends. A second signal ends the stages at
        once. (After SIGTERM alone Snakemake would wait until the running stages are finished.)
        """

        def hand_on(number: int, frame: FrameType | None) -> None:
            self.stopped_by = signal.Signals(number)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGINT)

        kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {kind: signal.signal(kind, hand_on) for kind in kinds}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

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
