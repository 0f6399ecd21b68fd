"""Starts a stage on several ranks (processes) by torchrun, with errors that a user can act on."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM, signal
from types import FrameType

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous import RendezvousError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from nasflow.stages.machines import Machines
from nasflow.storage.interruption import SIGNALS
from nasflow.training.ranks import LOST

STOPPED = 75  # exit code of a stage that a signal stopped (EX_TEMPFAIL)
# Seconds that the machines wait for each other at most. Each of them imports torch before that,
# perhaps from a slow disk.
MEET = 600


def launch(ranks: int, arguments: Sequence[str], machines: Machines) -> int:
    """Run `python -m nasflow ARGUMENTS` on several ranks, and wait for all of them.

    A signal that stops a stage is passed on to the ranks of this machine. If a rank ends with an
    error, all others end, too. The same command then continues from the last state that the stage
    kept, and its results are bit for bit identical.

    Args:
        ranks: the number of ranks on each machine.
        arguments: the words of the command line after `nasflow`.
        machines: the machines on which a user or Slurm has started this same command.

    Returns:
        The exit code of the stage.
    """
    configuration = _configuration(ranks, machines)
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        with _signals_passed_on():
            elastic_launch(configuration, sys.executable)("-m", "nasflow", *arguments)
    except ChildFailedError as error:
        return _explain(error, ranks * machines.nodes)
    except RendezvousError as error:
        where = f"{machines.nodes} machines did not meet at {machines.master}:{machines.port}"
        print(f"nasflow: {where}: {error}", file=sys.stderr)
        return 1
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


def _configuration(ranks: int, machines: Machines) -> LaunchConfig:
    meeting = {"read_timeout": MEET, "join_timeout": MEET}
    if machines.host is not None:
        meeting["is_host"] = machines.host
    return LaunchConfig(
        min_nodes=machines.nodes,
        max_nodes=machines.nodes,
        nproc_per_node=ranks,
        run_id=os.environ.get("SLURM_JOB_ID", "nasflow"),
        rdzv_backend="c10d",
        rdzv_endpoint=f"{machines.master}:{machines.port}",
        rdzv_configs=meeting,
        local_addr=machines.address,
        max_restarts=0,
        monitor_interval=0.2,
        # The signals that stop a stage are left out: for them torch would end with an exit code of
        # its own, 128 + the number of the signal.
        signals_to_handle="SIGHUP,SIGQUIT",
    )


@contextmanager
def _signals_passed_on() -> Iterator[None]:
    """Pass each signal that stops a stage on to all child processes; every rank is one of them."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        for children in Path("/proc/self/task").glob("*/children"):
            for child in children.read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), number)

    before = {number: signal(number, pass_on) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal(number, handler)


def _explain(error: ChildFailedError, size: int) -> int:
    """Print why a rank ended, unless it has printed that itself. Returns the exit code."""
    own = [(rank, f) for rank, f in error.failures.items() if f.exitcode not in (LOST, -SIGTERM)]
    if any(failure.exitcode == STOPPED for _, failure in own):
        return STOPPED
    if not own:
        what = "a rank on another machine died"
    else:
        rank, failure = min(own, key=lambda pair: pair[1].timestamp)
        if failure.exitcode > 0:  # the rank has printed why it ended
            return int(failure.exitcode)
        what = f"rank {rank} of {size} died of {failure.signal_name()}"
    print(
        f"nasflow: {what}; run the same command again to continue, with fewer ranks if memory ran"
        " out",
        file=sys.stderr,
    )
    return 1
