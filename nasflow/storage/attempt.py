"""An attempt at a stage: its only writer, goes on from what earlier attempts kept, keeps more.

State stands in `.resume` in the stage's folder, undeclared, since Snakemake deletes what a failed
job declares. It is removed on success, and unread where the inputs, the config or STATE differ.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from nasflow.storage.files import CorruptFile, read_json, write_json
from nasflow.storage.generations import Generation, drop, generations, write_generation
from nasflow.storage.interruption import Interruption, Stopped, interruption
from nasflow.storage.lock import writer
from nasflow.storage.surroundings import surroundings
from nasflow.training.ranks import ALONE, Ranks
from nasflow.training.snapshot import Snapshot

STATE = 4  # goes up when the loops or the form of their state change
FOLDER, STARTS = ".resume", "starts.json"
MOST_STARTS = 3
SECONDS = "NASFLOW_CHECKPOINT_SECONDS"


@contextmanager
def attempt(
    folder: Path, identity: dict[str, Any], device: str, ranks: Ranks = ALONE
) -> Iterator[Attempt]:
    """`identity`: plain data that the stage's result is a function of. Held where another process
    is at it; Stopped, from within the loop, after a signal to any rank. The first of the ranks
    writes, all read what it found."""
    every = _every()
    with writer(folder) if ranks.first else nullcontext(), interruption() as signals:
        if ranks.first:
            for draft in folder.glob(".*.tmp"):  # of a writer that was killed
                draft.unlink()
        yield Attempt(folder / FOLDER, identity, device, every, signals, ranks)
        if ranks.first:
            shutil.rmtree(folder / FOLDER, ignore_errors=True)


class Attempt:
    """The Keeper of a stage. `earlier` seconds of work stand behind what it goes on from, the first
    of them began at `started`; `machine`: the surroundings of this attempt."""

    def __init__(
        self,
        folder: Path,
        identity: dict[str, Any],
        device: str,
        every: float,
        signals: Interruption,
        ranks: Ranks = ALONE,
    ) -> None:
        self._ranks = ranks
        self._folder, self._signals, self._began = folder, signals, time.monotonic()
        self._key = _digest({"state": STATE, **identity})
        self.machine = surroundings(device)
        found, starts = self._standing() if ranks.first else (None, 1)
        self._found = self._shared(found)
        about = self._found.about if self._found else {"seconds": 0.0, "started": time.time()}
        self.earlier, self.started = float(about["seconds"]), float(about["started"])
        # one that dies early again and again keeps sooner
        self._every = every / 2 ** (starts - 1)
        self._due = self._began + self._every
        self._siblings: list[str] = []

    @property
    def seconds(self) -> float:
        """Of work so far, earlier attempts included (up to what they kept)."""
        return self.earlier + time.monotonic() - self._began

    def before(self, siblings: Sequence[str], below: float) -> Snapshot | None:
        """Keeper's."""
        self._siblings = list(siblings)
        found, self._found = self._found, None
        if found is None:
            return None
        step = found.snapshot.step
        if found.about["siblings"] != self._siblings or step >= below:
            why = "past the new budget" if step >= below else "of other siblings"
            self._say(f"the state after step {step} is {why} and not used")
            if self._ranks.first:
                shutil.rmtree(self._folder)
            self.earlier, self.started = 0.0, time.time()
            return None
        self._say(f"goes on after step {step}, {self.earlier:.0f} s into the stage")
        for name, was in found.about["machine"].items():
            if (now := self.machine.get(name)) != was:
                self._say(f"{name} was {was}, is {now}: the result may differ in bits")
        return found.snapshot

    def keep(self, step: int, make: Callable[[], Snapshot]) -> None:
        """Keeper's: when `every` seconds have gone by since the last time, or a signal came. A full
        disk costs the state, not the run."""
        due = self._ranks.first and time.monotonic() >= self._due
        came, due = self._ranks.agree(self._signals.number, float(due))
        if not came and not due:
            return
        end = f"after step {step}; the same command goes on from there"
        snapshot = make()
        try:
            if self._ranks.first:
                write_generation(self._folder, snapshot, self._about())
        except OSError as error:
            end = f"after step {step}, which could not be kept"
            self._say(f"the state after step {step} could not be kept: {error}")
        self._due = time.monotonic() + self._every
        self._ranks.agree()  # a rank that ends takes the others with it: not before all is written
        if came:
            raise Stopped(f"stopped by {signal.Signals(int(came)).name} {end}")

    def _about(self) -> dict[str, Any]:
        return {
            "key": self._key,
            "siblings": self._siblings,
            "machine": self.machine,
            "seconds": self.seconds,
            "started": self.started,
        }

    def _shared(self, found: Generation | None) -> Generation | None:
        """What the first rank found, for all of them."""
        step = found.snapshot.step if found else -1
        step = int(self._ranks.agree(step if self._ranks.first else -1)[0])
        if self._ranks.first or step < 0:
            return found
        kept = generations(self._folder)
        return next(g for g in kept if g.snapshot.step == step and g.about["key"] == self._key)

    def _standing(self) -> tuple[Generation | None, int]:
        """The newest generation that can be gone on from, and how often that has been tried, this
        time included: after MOST_STARTS without a newer one it is taken for the culprit."""
        found = None
        for generation in generations(self._folder):
            step = generation.snapshot.step
            if generation.about["key"] != self._key:
                self._say(f"the state after step {step} is of other inputs or config and not used")
                shutil.rmtree(self._folder)
                break
            if self._starts(generation.name) < MOST_STARTS:
                found = generation
                break
            self._say(
                f"{MOST_STARTS} starts from the state after step {step} came no further; removed, "
                "the one before it is next, or the beginning"
            )
            drop(self._folder, generation.name)
        name = found.name if found else ""
        starts = 1 + self._starts(name)
        write_json(self._folder / STARTS, {"from": name, "starts": starts})
        return found, starts

    def _starts(self, name: str) -> int:
        """Earlier starts in a row from the generation of that name ("": from the beginning)."""
        try:
            last = read_json(self._folder / STARTS)
            return int(last["starts"]) if last["from"] == name else 0
        except (CorruptFile, LookupError, TypeError):
            return 0

    def _say(self, line: str) -> None:
        if self._ranks.first:
            print(f"nasflow: {self._folder}: {line}", file=sys.stderr)


def inputs(*files: Path) -> list[str]:
    """sha256 of manifests, which hold those of the files beside them."""
    digests = []
    for file in files:
        if not file.is_file():
            raise CorruptFile(f"{file}: missing; rerun the stage that writes it")
        digests.append(hashlib.sha256(file.read_bytes()).hexdigest())
    return digests


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _every() -> float:
    text = os.environ.get(SECONDS, "60")
    try:
        every = float(text)
    except ValueError:
        every = -1.0
    if not 0.0 <= every < float("inf"):
        raise ValueError(f"{SECONDS}: {text}; expected seconds, 0 (every step) or more")
    return every
