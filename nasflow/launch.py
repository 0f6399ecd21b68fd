"""A stage on several ranks: torchrun's launcher, with an error that a user can act on."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from signal import SIGTERM

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from nasflow.ranks import LOST

PORT = 29400


def launch(ranks: int, arguments: Sequence[str]) -> int:
    """Run `python -m nasflow ARGUMENTS` as that many ranks on this machine, or on each of NODES
    machines that run this same command with MASTER_ADDR set; the exit code.

    A rank that dies takes the others with it: the stage ends, and done again it gives the bytes
    that it would have given."""
    nodes, master = int(os.environ.get("NODES", "1")), os.environ.get("MASTER_ADDR", "127.0.0.1")
    port = os.environ.get("MASTER_PORT", "0" if nodes == 1 else str(PORT))
    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=ranks,
        run_id=os.environ.get("SLURM_JOB_ID", "nasflow"),
        rdzv_backend="c10d",
        rdzv_endpoint=f"{master}:{port}",
        max_restarts=0,
        monitor_interval=0.2,
    )
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        elastic_launch(config, sys.executable)("-m", "nasflow", *arguments)
    except ChildFailedError as error:
        return _explain(error, ranks * nodes)
    return 0


def _explain(error: ChildFailedError, size: int) -> int:
    own = [(rank, f) for rank, f in error.failures.items() if f.exitcode not in (LOST, -SIGTERM)]
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
