"""The machines that run one command together, and where they meet, read from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

PORT = 29400


class Machines(NamedTuple):
    """`nodes` machines, each running the same command once, that meet at master:port."""

    nodes: int = 1
    master: str = "127.0.0.1"
    port: int = 0  # 0: any free one, which works for one machine alone
    address: str | None = None  # of this machine, for the others; None: its host name
    host: bool | None = None  # whether this one is the master; None: found by comparing names


def machines(environment: Mapping[str, str]) -> Machines:
    """NODES, MASTER_ADDR and MASTER_PORT; without NODES those of a Slurm step with a task a node.

    The step's variables and not the job's: a batch script on four nodes, which `srun` did not
    start, is alone and would wait for the other three for ever."""
    if "NODES" in environment:
        count = _number(environment, "NODES")
        if count == 1:
            return Machines(port=_number(environment, "MASTER_PORT", 0))
        if "MASTER_ADDR" not in environment:
            raise ValueError(f"NODES: {count}; expected MASTER_ADDR, the first machine, beside it")
        port = _number(environment, "MASTER_PORT", PORT)
        return Machines(count, environment["MASTER_ADDR"], port)
    count = _number(environment, "SLURM_STEP_NUM_NODES", 1)
    if count == 1:
        return Machines()
    tasks = _number(environment, "SLURM_STEP_NUM_TASKS", count)
    if tasks != count:
        raise ValueError(
            f"SLURM_STEP_NUM_TASKS: {tasks} on {count} nodes; expected one task a node "
            "(srun --ntasks-per-node=1), --ranks counts the processes of a node"
        )
    return Machines(
        count,
        environment.get("MASTER_ADDR", first_host(environment["SLURM_STEP_NODELIST"])),
        _number(environment, "MASTER_PORT", 20000 + int(environment["SLURM_JOB_ID"]) % 10000),
        environment.get("SLURMD_NODENAME"),
        environment["SLURM_NODEID"] == "0",
    )


def first_host(names: str) -> str:
    """The first of a list in Slurm's notation: node[01-04,09],login -> node01."""
    first = re.match(r"(?:\[[^]]*\]|[^][,])+", names)
    if first is None:
        raise ValueError(f"SLURM_STEP_NODELIST: {names!r}; expected names as in node[01-04]")
    return re.sub(r"\[([^],-]*)[^]]*\]", r"\1", first[0])


def _number(environment: Mapping[str, str], name: str, otherwise: int | None = None) -> int:
    text = environment.get(name, str(otherwise))
    if not re.fullmatch(r"[0-9]{1,9}", text) or (name != "MASTER_PORT" and int(text) < 1):
        raise ValueError(f"{name}: {text!r}; expected a whole number")
    return int(text)
