"""The machines that run one command together, as environment variables describe them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from nasflow.training.rendezvous import PATIENCE, patience

PORT = 29400
KEY = "NASFLOW_KEY"
SHORTEST = 16  # characters of a key


class Machines(NamedTuple):
    """The machines that run the same command, once on each of them, and how they connect.

    Attributes:
        nodes: the number of machines.
        master: the name or address of the machine that all of them connect to.
        port: the port of the master; 0 on one machine alone, which needs none.
        host: whether this machine is the master; None: it is where it has the master's address.
        key: the random text that only these machines know; None on one machine alone.
        patience: for how many seconds the machines wait for each other at most.
    """

    nodes: int = 1
    master: str = "127.0.0.1"
    port: int = 0
    host: bool | None = None
    key: str | None = None
    patience: int = PATIENCE


def machines(environment: Mapping[str, str]) -> Machines:
    """Read which machines run this command.

    The variables NODES, MASTER_ADDR and MASTER_PORT describe them. Without NODES, the variables of
    a Slurm step (one call of `srun`) do, if it has one task for each node. The variables of the
    Slurm job are not used: a batch script on four nodes runs only on the first of them, and would
    wait for the other three forever. NASFLOW_KEY is the key that several machines share. The rules
    of the workflow set it to a new random text for each job, and srun hands it on to all nodes.
    NASFLOW_MEETING_SECONDS sets for how many seconds the machines wait for each other.

    Args:
        environment: the environment variables by name.

    Returns:
        The machines; one machine without any of these variables.

    Raises:
        ValueError: if a variable is missing, is not a legal number or key, or is no list of names,
            or if the Slurm step has more than one task for a node.
    """
    found = _named(environment) if "NODES" in environment else _of_slurm_step(environment)
    return found._replace(patience=patience(environment))


def _named(environment: Mapping[str, str]) -> Machines:
    count = _number(environment, "NODES")
    if count == 1:
        return Machines()
    if "MASTER_ADDR" not in environment:
        raise ValueError(f"NODES: {count}; expected MASTER_ADDR too, the name of the first machine")
    port = _number(environment, "MASTER_PORT", PORT)
    return Machines(count, environment["MASTER_ADDR"], port, key=_key(environment, count))


def _of_slurm_step(environment: Mapping[str, str]) -> Machines:
    count = _number(environment, "SLURM_STEP_NUM_NODES", 1)
    if count == 1:
        return Machines()
    tasks = _number(environment, "SLURM_STEP_NUM_TASKS", count)
    if tasks != count:
        raise ValueError(
            f"SLURM_STEP_NUM_TASKS: {tasks} on {count} nodes; expected one task for each node "
            "(srun --ntasks-per-node=1); --ranks sets the number of processes on each node"
        )
    return Machines(
        count,
        environment.get("MASTER_ADDR", first_host(environment["SLURM_STEP_NODELIST"])),
        _number(environment, "MASTER_PORT", 20000 + int(environment["SLURM_JOB_ID"]) % 10000),
        environment["SLURM_NODEID"] == "0",
        _key(environment, count),
    )


def first_host(names: str) -> str:
    """Return the first name of a list of machines in the notation of Slurm.

    Args:
        names: the list, such as `node[01-04,09],login`.

    Returns:
        The first name, here `node01`.

    Raises:
        ValueError: if the text does not begin with a name.
    """
    first = re.match(r"(?:\[[^]]*\]|[^][,])+", names)
    if first is None:
        raise ValueError(f"SLURM_STEP_NODELIST: {names!r}; expected names as in node[01-04]")
    return re.sub(r"\[([^],-]*)[^]]*\]", r"\1", first[0])


def _key(environment: Mapping[str, str], count: int) -> str:
    """Return the key, which a stranger who reaches the port must not be able to guess."""
    key = environment.get(KEY, "")
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{{SHORTEST},200}}", key):
        raise ValueError(
            f"{KEY}: {len(key)} characters, for {count} machines; expected the same {SHORTEST} or"
            " more random letters and digits on each of them; `openssl rand -hex 16` makes some"
        )
    return key


def _number(environment: Mapping[str, str], name: str, otherwise: int | None = None) -> int:
    text = environment.get(name, str(otherwise))
    least = 0 if name == "MASTER_PORT" else 1
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
        raise ValueError(f"{name}: {text!r}; expected a whole number of at least {least}")
    return int(text)
