"""An attempt is one run of a stage. It goes on from the state that an earlier attempt has kept.

An attempt is the only writer of its stage, and it keeps its own state from time to time. The state
lies in the folder `.resume` in the stage's folder. Snakemake is not told about it,
because it knows only the files of finished stages. The state is removed when the stage succeeds. It
is removed without being used when it belongs to other inputs, another configuration or another
STATE.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from nasflow.storage.files import CorruptFile, read_json, write_json
from nasflow.storage.generations import (
    Generation,
    clear,
    drop,
    generations,
    write_generation,
)
from nasflow.storage.interruption import Interruption, Stopped, interruption
from nasflow.storage.lock import writer
from nasflow.storage.own_files import drafts
from nasflow.storage.surroundings import surroundings
from nasflow.training.ranks import ALONE, Ranks
from nasflow.training.snapshot import Snapshot

STATE = 7  # to be raised when the loops, or the form of their state, change
FOLDER, STARTS = ".resume", "starts.json"
MOST_STARTS = 3  # starts from one state before it is suspected to cause the failures
SECONDS = "NASFLOW_CHECKPOINT_SECONDS"


@contextmanager
def attempt(
    folder: Path, identity: Mapping[str, object], device: str, ranks: Ranks = ALONE
) -> Iterator[Attempt]:
    """Run a stage: lock its folder, find a kept state, and remove all states on success.

    A rank is one of the processes that share a stage. The first rank alone locks and writes; all
    ranks read the state that the first one has found.

    Args:
        folder: the folder of the stage.
        identity: plain data that determines the result of the stage: its inputs, configuration,
            seed and so on. A state that was kept under another identity is not used.
        device: the device of the stage, such as cpu or cuda:0.
        ranks: this process among those that share the stage.

    Yields:
        The attempt, which is the keeper of the stage's loop. Its `keep` raises Stopped after a
        signal to any rank.

    Raises:
        Held: if another process is running the stage.
        ValueError: if the variable NASFLOW_CHECKPOINT_SECONDS is no number of seconds, or if a
            symbolic link has the name of the lock or of the folder of the states.
    """
    every = _every()
    with writer(folder) if ranks.first else nullcontext(), interruption() as signals:
        if ranks.first:
            for draft in drafts(folder):  # a writer that was killed has left it
                draft.unlink()
        keeper = Attempt(folder / FOLDER, identity, device, every, signals, ranks)
        with ranks.wishing(signal=lambda: signals.number, due=keeper.due):
            yield keeper
        if ranks.first:
            with suppress(OSError):
                clear(folder / FOLDER, STARTS)


class Attempt:
    """The keeper of a stage's loop: it hands out the kept state and decides when to keep another.

    Attributes:
        earlier: the seconds of work that led to the state from which this attempt goes on; 0.0 at
            a start from the beginning.
        started: the time when the first of that work began, in seconds since 1970.
        machine: the surroundings of this attempt, as `surroundings` describes them.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, object],
        device: str,
        every: float,
        signals: Interruption,
        ranks: Ranks = ALONE,
    ) -> None:
        """Find the state to go on from, and count this start.

        Args:
            folder: the folder of the states.
            identity: plain data that determines the result of the stage.
            device: the device of the stage, such as cpu or cuda:0.
            every: seconds between two states; 0 keeps one after every step.
            signals: tells which signal has come.
            ranks: this process among those that share the stage.
        """
        self._ranks = ranks
        self._folder, self._signals, self._began = folder, signals, time.monotonic()
        self._key = _digest({"state": STATE, **identity})
        self.machine = surroundings(device)
        found, starts = self._standing() if ranks.first else (None, 1)
        self._found = self._shared(found)
        about = self._found.about if self._found else {"seconds": 0.0, "started": time.time()}
        self.earlier, self.started = float(about["seconds"]), float(about["started"])
        # A stage that is killed early again and again keeps its state sooner at each start.
        self._every = every / 2 ** (starts - 1)
        self._due = self._began + self._every
        self._siblings: list[str] = []

    @property
    def seconds(self) -> float:
        """Seconds of work so far. Of earlier attempts, only work that led to the state counts."""
        return self.earlier + time.monotonic() - self._began

    def due(self) -> bool:
        """Tell whether the seconds between two states have gone by; on the first rank only."""
        return self._ranks.first and time.monotonic() >= self._due

    def before(self, siblings: Sequence[str], below: float) -> Snapshot | None:
        """Give the loop the state that an earlier attempt has kept, once, before the first step.

        Args:
            siblings: the fingerprints of the networks that the loop trains.
            below: the state must be from a step smaller than this one, which is the budget.

        Returns:
            The state to go on from, or None to begin at the beginning. A state of other siblings
            or past the budget is removed.
        """
        self._siblings = list(siblings)
        found, self._found = self._found, None
        if found is None:
            return None
        step = found.snapshot.step
        if found.about["siblings"] != self._siblings or step >= below:
            why = "past the new budget" if step >= below else "of other siblings"
            self._say(f"the state after step {step} is {why} and not used")
            if self._ranks.first:
                clear(self._folder, STARTS)
            self.earlier, self.started = 0.0, time.time()
            return None
        self._say(f"goes on after step {step}, {self.earlier:.0f} s into the stage")
        for name, was in found.about["machine"].items():
            if (now := self.machine.get(name)) != was:
                self._say(f"{name} was {was}, is {now}: the result may differ in bits")
        return found.snapshot

    def keep(self, step: int, make: Callable[[], Snapshot]) -> None:
        """Keep the state of the loop when it is due or when a signal has come to any rank.

        It is due when the seconds between two states have gone by on the first rank. Several ranks
        learn of that and of signals in the exchange of their step (`Ranks.agreed`). An error of
        the disk, such as a full one, is printed and does not end the loop.

        Args:
            step: the step of the loop that has just been done.
            make: makes the snapshot of the loop; it is called only when it is needed.

        Raises:
            Stopped: if a signal has come to any rank, after the state has been written.
        """
        came, due = self._ranks.agreed("signal"), self._ranks.agreed("due")
        if not came and not due:
            return
        end = f"after step {step}; the same command goes on from there"
        snapshot = make()
        try:
            if self._ranks.first:
                write_generation(self._folder, snapshot, self._about())
        except OSError as error:
            end = f"after step {step}, whose state could not be kept"
            self._say(f"the state after step {step} could not be kept: {error}")
        self._due = time.monotonic() + self._every
        self._ranks.agree()  # wait until all is written: a rank that ends takes the others with it
        if came:
            raise Stopped(f"stopped by {signal.Signals(int(came)).name} {end}")

    def _about(self) -> dict[str, Any]:
        """Return what a state says about the attempt that kept it."""
        return {
            "key": self._key,
            "siblings": self._siblings,
            "machine": self.machine,
            "seconds": self.seconds,
            "started": self.started,
        }

    def _shared(self, found: Generation | None) -> Generation | None:
        """Give every rank the generation that the first rank has found."""
        step = found.snapshot.step if found else -1
        step = int(self._ranks.agree(step if self._ranks.first else -1)[0])
        if self._ranks.first or step < 0:
            return found
        kept = generations(self._folder)
        return next(g for g in kept if g.snapshot.step == step and g.about["key"] == self._key)

    def _standing(self) -> tuple[Generation | None, int]:
        """Find the newest generation to go on from, and count the starts from it with this one.

        When MOST_STARTS starts from a generation have brought no newer one, the generation itself
        is suspected to be the cause, and it is removed.
        """
        found = None
        for generation in generations(self._folder):
            step = generation.snapshot.step
            if generation.about["key"] != self._key:
                self._say(f"the state after step {step} is of other inputs or config and not used")
                clear(self._folder, STARTS)
                break
            if self._starts(generation.name) < MOST_STARTS:
                found = generation
                break
            self._say(
                f"{MOST_STARTS} starts from the state after step {step} came no further; it is "
                "removed, and the stage goes on from the state before it, or from the beginning"
            )
            drop(self._folder, generation.name)
        name = found.name if found else ""
        starts = 1 + self._starts(name)
        write_json(self._folder / STARTS, {"from": name, "starts": starts})
        return found, starts

    def _starts(self, name: str) -> int:
        """Count the last starts in a row from the generation of that name ("" is the beginning)."""
        try:
            last = read_json(self._folder / STARTS)
            return int(last["starts"]) if last["from"] == name else 0
        except (CorruptFile, LookupError, TypeError):
            return 0

    def _say(self, line: str) -> None:
        """Print one line to stderr, on the first rank only."""
        if self._ranks.first:
            print(f"nasflow: {self._folder}: {line}", file=sys.stderr)


def inputs(*files: Path) -> list[str]:
    """Compute the sha256 of the input files of a stage.

    Args:
        files: data.json or manifests of checkpoints, which hold the sha256 of the files beside
            them, so that the result depends on those too.

    Returns:
        The sha256 of each file, in hexadecimal.

    Raises:
        CorruptFile: if a file is missing.
    """
    digests = []
    for file in files:
        if not file.is_file():
            raise CorruptFile(f"{file}: missing; rerun the stage that writes it")
        digests.append(hashlib.sha256(file.read_bytes()).hexdigest())
    return digests


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _every() -> float:
    """Return the seconds between two states, from the environment."""
    text = os.environ.get(SECONDS, "60")
    try:
        every = float(text)
    except ValueError:
        every = -1.0
    if not 0.0 <= every < float("inf"):
        raise ValueError(f"{SECONDS}: {text}; expected seconds, 0 (every step) or more")
    return every
