"""Processes wait for each other for a bounded time."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from nasflow.training.rendezvous import bounded, patience


def test_the_time_is_read_from_the_environment() -> None:
    assert patience({}) == 120
    assert patience({"NASFLOW_MEETING_SECONDS": "5"}) == 5
    for text in ("0", "1.5", "soon", "86401", ""):
        with pytest.raises(ValueError, match="NASFLOW_MEETING_SECONDS: "):
            patience({"NASFLOW_MEETING_SECONDS": text})


def test_a_block_that_ends_in_time_leaves_the_process_alone() -> None:
    with bounded(0.05, "never printed"):
        pass
    time.sleep(0.1)


CODE = """
import torch.distributed as dist
from nasflow.training.ranks import joined
store = dist.TCPStore("127.0.0.1", int(__import__("os").environ["MASTER_PORT"]), is_master=True)
with joined():
    pass
"""


def test_a_rank_whose_partner_never_connects_ends_with_one_line_that_names_host_and_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "NASFLOW_MEETING_SECONDS": "1"}
    rank = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "NASFLOW_KEY": "k" * 20}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=os.environ | place | rank,
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("nasflow:")]
    assert done.returncode == 1 and len(lines) == 1, done.stderr
    assert f"met at 127.0.0.1:{port} within 1 s" in lines[0]
