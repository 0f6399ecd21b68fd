"""A stage on several ranks: torchrun's launcher, with an error that a user can act on."""

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
MEET = 600  # seconds for all machines to come; each first imports torch, from a slow disk perhaps


def launch(ranks: int, arguments: Sequence[str], machines: Machines) -> int:
    """Run `python -m nasflow ARGUMENTS` as that many ranks on this machine, and on each of the
    others that run this same command; the exit code.

    Signals that stop a stage go on to the ranks of this machine. A rank that dies takes the others
    with it: the stage ends, and the same command goes on from what it kept, to the same bytes."""
    meeting = {"read_timeout": MEET, "join_timeout": MEET}
    if machines.host is not None:
        meeting["is_host"] = machines.host
    config = LaunchConfig(
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
        signals_to_handle="SIGHUP,SIGQUIT",  # of the others torch would make a signal's exit code
    )
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        with _passing_on():
            elastic_launch(config, sys.executable)("-m", "nasflow", *arguments)
    except ChildFailedError as error:
        return _explain(error, ranks * machines.nodes)
    except RendezvousError as error:
        where = f"{machines.nodes} machines did not meet at {machines.master}:{machines.port}"
        print(f"nasflow: {where}: {error}", file=sys.stderr)
        return 1
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


@contextmanager
def _passing_on() -> Iterator[None]:
    """What stops a stage goes to the children of this process, of which torch starts one a rank."""

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
    own = [(rank, f) for rank, f in error.failures.items() if f.exitcode not in (LOST, -SIGTERM)]
    if any(failure.exitcode == STOPPED for _, failure in own):
        return STOPPED
    if not own:
        what = "a rank on another machine died"
    else:
        rank, failure = min(own, key=lambda pair: pair[1].timestamp)
        if failure.exitcode > 0:  # it has said why
            return int(failure.exitcode)
        what = f"rank {rank} of {size} died of {failure.signal_name()}"
    print(
        f"nasflow: {what}; the same command goes on (killed for memory? take fewer ranks)",
        file=sys.stderr,
    )
    return 1
