"""Starts a stage on several ranks (processes), with errors that a user can act on."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP, SIGQUIT, SIGTERM, Signals, signal
from types import FrameType

from nasflow.stages.machines import Machines
from nasflow.stages.meeting import NoMeetingError, meet
from nasflow.storage.interruption import SIGNALS
from nasflow.training.ranks import KEY, LOST, MEETING

STOPPED = 75  # exit code of a stage that a signal stopped (EX_TEMPFAIL)
LOOK = 0.1  # seconds between two looks at the ranks
END = 30.0  # seconds that a rank gets to end after SIGTERM, before SIGKILL
ENDS = (SIGHUP, SIGQUIT)  # signals that end the launcher and its ranks, and save no state


class _EndedError(Exception):
    """One of the signals of ENDS has come."""


def launch(ranks: int, arguments: Sequence[str], machines: Machines) -> int:
    """Run `python -m nasflow ARGUMENTS` on several ranks, and wait for all of them.

    A signal that stops a stage is passed on to the ranks of this machine. If a rank ends with an
    error, all others end, too. The same command then continues from the last state that the stage
    kept, and its results are bit for bit identical.

    The ranks of one machine find each other through a file in a folder that no other user can
    enter, and no program listens on a port that another machine can reach. Several machines meet
    as `nasflow.stages.meeting` says.

    Args:
        ranks: the number of ranks on each machine.
        arguments: the words of the command line after `nasflow`.
        machines: the machines on which a user or Slurm has started this same command.

    Returns:
        The exit code of the stage.
    """
    size = ranks * machines.nodes
    try:
        with _meeting(machines) as (first, where):
            own = [
                {"RANK": first * ranks + i, "LOCAL_RANK": i, "LOCAL_WORLD_SIZE": ranks}
                for i in range(ranks)
            ]
            ranks_of = [rank | {"WORLD_SIZE": size} | where for rank in own]
            failed, passed_on = _run(arguments, ranks_of)
    except NoMeetingError as error:
        place = f"{machines.nodes} machines did not meet at {machines.master}:{machines.port}"
        print(f"nasflow: {place}: {error}", file=sys.stderr)
        return 1
    except _EndedError as error:
        return 128 + int(error.args[0])
    return _explain(failed, passed_on, size, machines.nodes) if failed else 0


@contextmanager
def _meeting(machines: Machines) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the number of this machine, and the variables by which its ranks find the others."""
    if machines.nodes == 1:
        with tempfile.TemporaryDirectory(prefix="nasflow-ranks-") as folder:  # its mode is 0700
            yield 0, {MEETING: Path(folder) / "meeting"}
        return
    met = meet(machines)  # its store must stay open while the ranks connect
    yield met.number, {"MASTER_ADDR": met.address, "MASTER_PORT": met.port, KEY: machines.key}


def _run(
    arguments: Sequence[str], ranks: Sequence[Mapping[str, object]]
) -> tuple[dict[int, int], list[int]]:
    """Run the ranks until all have ended or one of them has failed; then end the others.

    Args:
        arguments: the words of the command line after `nasflow`.
        ranks: the environment variables of each rank.

    Returns:
        The exit code of each rank that had failed before the others were ended, by its number
        RANK; and the numbers of the signals that were passed on to the ranks.
    """
    # -P: without it, Python would import a module from a file in the current folder.
    words = [sys.executable, "-P", "-m", "nasflow", *arguments]
    running: dict[int, subprocess.Popen[bytes]] = {}
    with _signals_passed_on(running) as passed_on:
        try:
            for own in ranks:
                environment = os.environ | {name: str(value) for name, value in own.items()}
                # In a session of its own, a rank gets no signal from the terminal directly.
                rank = subprocess.Popen(words, env=environment, start_new_session=True)
                running[int(environment["RANK"])] = rank
            return _failures(running), passed_on
        finally:
            _end(list(running.values()))


def _failures(running: Mapping[int, subprocess.Popen[bytes]]) -> dict[int, int]:
    """Wait until all ranks have ended or some have failed; return the codes of these."""
    while True:
        codes = {number: rank.poll() for number, rank in running.items()}
        failed = {number: code for number, code in codes.items() if code}
        if failed or None not in codes.values():
            return failed
        time.sleep(LOOK)


def _end(ranks: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the ranks that still run."""
    left = [rank for rank in ranks if rank.poll() is None]
    for rank in left:
        rank.terminate()
    limit = time.monotonic() + END
    for rank in left:
        try:
            rank.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            rank.kill()
            rank.wait()


@contextmanager
def _signals_passed_on(running: Mapping[int, subprocess.Popen[bytes]]) -> Iterator[list[int]]:
    """Pass each signal that stops a stage on to all ranks; a signal of ENDS raises _EndedError.

    Yields:
        The numbers of the signals that were passed on; it grows as they come.
    """
    passed_on: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        passed_on.append(number)
        for rank in list(running.values()):
            if rank.returncode is None:
                rank.send_signal(number)

    def end(number: int, frame: FrameType | None) -> None:
        raise _EndedError(number)

    before = {number: signal(number, pass_on) for number in SIGNALS}
    before |= {number: signal(number, end) for number in ENDS}
    try:
        yield passed_on
    finally:
        for number, handler in before.items():
            signal(number, handler)


def _explain(failed: Mapping[int, int], passed_on: Sequence[int], size: int, machines: int) -> int:
    """Print why a rank ended, unless it has printed that itself. Returns the exit code.

    A signal that comes while the ranks still start and connect ends them at once: they do not
    handle it yet, and have nothing to keep.
    """
    others = (LOST, -SIGTERM, *(-number for number in passed_on))
    own = {rank: code for rank, code in failed.items() if code not in others}
    if STOPPED in own.values():
        return STOPPED
    if not own and passed_on:
        name = Signals(passed_on[0]).name
        print(
            f"nasflow: stopped by {name} while the ranks were starting; run the same command again",
            file=sys.stderr,
        )
        return STOPPED
    if not own:
        what = "a rank on another machine died" if machines > 1 else "the ranks lost each other"
    else:
        rank, code = next(iter(own.items()))
        if code > 0:  # the rank has printed why it ended
            return code
        what = f"rank {rank} of {size} died of {Signals(-code).name}"
    print(
        f"nasflow: {what}; run the same command again to continue, with fewer ranks if memory ran"
        " out",
        file=sys.stderr,
    )
    return 1
