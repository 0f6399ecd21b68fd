"""The result of a round that was computed ahead waits in the folder of its round.

With `rounds_per_job` above 1, the process of a round goes on with the rounds after it. It writes
each of their results into the folder `.ahead` in the folder of the round, and Snakemake knows
nothing of it. The job of that round finds the result there, compares what it was made from, and
moves it into place. A result that does not fit is removed, and the round is computed as always.

The folder `.ahead` gets its name when all of its files are on the disk, so it is never half of a
result. Beside the files of the round it holds BUDGET, the bounds that decide how far a round goes.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nasflow.storage.files import CorruptFile, read_json, sync, write_json
from nasflow.storage.lock import writer
from nasflow.storage.made import BESIDE, complete, forced, take_place
from nasflow.storage.own_files import own_folder, remove

AHEAD, BUDGET, RECORD = ".ahead", "budget.json", "status.json"
# The bounds that can end a round before its stop rule does (`nasflow.search.budget.limits`). The
# others only decide whether there is a next round, and Snakemake asks that before each job.
BOUNDS = ("cycles", "epochs", "network_epochs", "steps", "seconds")


@contextmanager
def ahead(folder: Path, budget: Mapping[str, Any]) -> Iterator[Path]:
    """Let a process write the result of a later round, which then waits for the job of that round.

    An error within the block, or a full disk, leaves no result.

    Args:
        folder: the folder of the round; it is made where it is missing.
        budget: the section budget as plain data.

    Yields:
        The folder to write to.

    Raises:
        ValueError: if a symbolic link or a file has the name of one of the two folders.
    """
    new, waiting = folder / BESIDE, folder / AHEAD
    if own_folder(new):  # a process that was killed has left it
        remove(new)
    new.mkdir(parents=True)
    try:
        yield new
        write_json(new / BUDGET, _bounds(budget))
        discard(folder)
        new.rename(waiting)
        sync(folder)
    finally:
        if os.path.lexists(new):
            remove(new)


def fits(folder: Path, wanted: Mapping[str, Any], budget: Mapping[str, Any]) -> bool:
    """Return True where the result of a round waits, and is what the job of the round would make.

    Args:
        folder: the folder of the round.
        wanted: what the round would be made from now (`nasflow.storage.made.made`).
        budget: the section budget as plain data.
    """
    return (folder / AHEAD).is_dir() and not _trouble(folder / AHEAD, wanted, budget)


def take(folder: Path, wanted: Mapping[str, Any], budget: Mapping[str, Any]) -> bool:
    """Move the result of a round from where it waits into place, and say so.

    A result that does not fit is removed. Nothing is taken where the user forces stages to run,
    and outside of the workflow.

    Args:
        folder: the folder of the round.
        wanted: what the round would be made from now (`nasflow.storage.made.made`).
        budget: the section budget as plain data.

    Returns:
        True where the result of the round stands in its place now.

    Raises:
        Held: if another process writes to the folder.
        ValueError: if a symbolic link or a file has the name of the folder that waits.
    """
    waiting = folder / AHEAD
    if forced() or not own_folder(waiting):
        return False
    with writer(folder):
        trouble = _trouble(waiting, wanted, budget)
        if not trouble:
            (waiting / BUDGET).unlink()
            take_place(waiting, folder, RECORD)
        remove(waiting)
    if trouble:
        print(
            f"nasflow: {folder}: was computed ahead, but {trouble}; it is computed again",
            file=sys.stderr,
        )
        return False
    print(f"nasflow: {folder}: was computed ahead; it takes its place", file=sys.stderr)
    return True


def discard(folder: Path) -> None:
    """Remove what waits in the folder of a round, if anything does.

    Raises:
        ValueError: if a symbolic link or a file has the name of the folder that waits.
    """
    if own_folder(folder / AHEAD):
        remove(folder / AHEAD)


def discard_all(search: Path) -> None:
    """Remove all results that still wait when a search has ended, and the folders they leave empty.

    They are of rounds that the search does not want any more, such as after a smaller budget.
    What cannot be removed stays; it is never taken for a result.

    Args:
        search: the folder of the rounds, such as results/digits/nasgd/seed_0/search.
    """
    for waiting in search.glob(f"round_*/{AHEAD}"):
        with contextlib.suppress(OSError, ValueError):
            discard(waiting.parent)
            waiting.parent.rmdir()


def _trouble(waiting: Path, wanted: Mapping[str, Any], budget: Mapping[str, Any]) -> str:
    """Say in a few words why a result that waits cannot be taken; "" where it can."""
    try:
        bounds = dict(read_json(waiting / BUDGET))
    except (CorruptFile, TypeError, ValueError):
        return "its files are damaged"
    if bounds != _bounds(budget):
        return "with another budget"
    if not complete(waiting / RECORD, wanted):
        return "from other inputs, or its files are damaged"
    return ""


def _bounds(budget: Mapping[str, Any]) -> dict[str, Any]:
    return {name: budget.get(name) for name in BOUNDS}
