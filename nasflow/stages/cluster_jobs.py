"""Jobs on a Slurm cluster: requests that it can never meet, and jobs that it has given up.

`workflow/rules/slurm.smk` asks these functions. They read texts of Slurm's commands and start none
themselves. The texts were read and seen with Slurm 22.05.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# What `sbatch` says where no repetition helps, and the resources of the rule that it is about.
REFUSALS = {
    "Memory specification can not be satisfied": ("mem_mb", "mem_mb_per_cpu"),
    "CPU count per node can not be satisfied": ("cpus_per_task",),
    "Requested time limit is invalid": ("runtime",),
    "Invalid generic resource": ("gpu", "gres"),
    "Invalid feature specification": ("constraint",),
    "Invalid partition": ("slurm_partition",),
    "Invalid account": ("slurm_account",),
    "Invalid qos": ("qos",),
    "Node count specification invalid": ("nodes",),
    "More processors requested than permitted": ("cpus_per_task", "tasks"),
    "Requested node configuration is not available": (
        *("gpu", "gres", "mem_mb", "mem_mb_per_cpu", "cpus_per_task", "nodes", "constraint"),
    ),
}
NAMES = ("constraint", "slurm_partition", "slurm_account", "qos")  # texts, which cannot be lowered
# The format of `sinfo` in which `impossible` reads the partitions: name, nodes and time limit.
PARTITIONS = "%P|%D|%l"
# States of Slurm after which it may or may not start the job again.
UNDECIDED = {"PREEMPTED": "CANCELLED", "NODE_FAIL": "FAILED"}


def impossible(rule: str, resources: Mapping[str, object], partitions: str) -> str:
    """Say why Slurm would never run a job as its profile asks for it.

    Slurm accepts such jobs. Either they wait for ever, or each attempt ends with an error of srun.

    Args:
        rule: the name of the rule.
        resources: the resources of the job.
        partitions: what `sinfo` prints in the format PARTITIONS; "" where that is unknown.

    Returns:
        One line that says what to change; "" where nothing is wrong.
    """
    nodes, place = _count(resources, "nodes") or 1, f"set-resources.{rule} of the profile"
    launched = re.search(r"(?:--nodes|-N)[= ]*(\d+)", str(resources.get("launcher", "")))
    if launched and int(launched[1]) != nodes:
        return (
            f"{rule}: nodes: {nodes}; the launcher asks for {launched[1]}; write the same number"
            f" twice in {place}"
        )
    tasks = _count(resources, "tasks") or 1
    if not _count(resources, "gpu") and not resources.get("gres") and tasks < nodes:
        return (
            f"{rule}: nodes: {nodes}, tasks: {tasks}; without a GPU Slurm gives no node without a"
            f" task; set tasks: {nodes} in {place}"
        )
    wanted = str(resources.get("slurm_partition") or "*").split(",")
    limits = _limits(partitions, wanted)
    if limits and nodes > (most := max(limit[0] for limit in limits)):
        return f"{rule}: nodes: {nodes}; the partition has {most}; lower it in {place}"
    runtime = _count(resources, "runtime")
    if limits and runtime > (longest := max(limit[1] for limit in limits)):
        return (
            f"{rule}: runtime: {runtime}; jobs of the partition end after {longest:.0f} minutes;"
            f" lower it in {place}"
        )
    return ""


def refused(rule: str, resources: Mapping[str, object], said: str) -> str:
    """Say what to lower where `sbatch` has refused a job that it would refuse again.

    Args:
        rule: the name of the rule.
        resources: the resources of the job.
        said: what `sbatch` has printed.

    Returns:
        One line that says what to change; "" where another attempt may help.
    """
    for reason, keys in REFUSALS.items():
        if reason.casefold() in said.casefold():
            asked = [f"{key}: {resources[key]}" for key in keys if resources.get(key)]
            named = asked and keys[-1] in NAMES and len(keys) == 1
            change = "change" if named or not asked else "lower"
            return (
                f"{rule}: {', '.join(asked) or 'the request'}; Slurm refuses it"
                f" ({reason}); {change} it in set-resources.{rule} or default-resources of the"
                " profile; sinfo -o '%P %D %c %m %G %l' shows what there is"
            )
    return ""


def given_up(state: str, code: int, answer: str, error: str) -> str:
    """Decide what becomes of a job that was pre-empted or whose node failed.

    The accounts (`sacct`) show the same state whether Slurm starts the job again or not. The
    controller (`squeue`) knows it.

    Args:
        state: the state in the accounts, one of UNDECIDED.
        code: the exit code of `squeue --noheader --states=all --format=%T --jobs=JOB`.
        answer: what it printed.
        error: what it printed on stderr.

    Returns:
        A state that the plugin takes for a failure, or PENDING.
    """
    gone = code == 0 and answer.strip() in ("", state)
    forgotten = code != 0 and "Invalid job id" in error
    return UNDECIDED[state] if gone or forgotten else "PENDING"


def _count(resources: Mapping[str, object], key: str) -> int:
    value = resources.get(key)
    return int(value) if isinstance(value, int) else 0


def _limits(partitions: str, wanted: list[str]) -> list[tuple[int, float]]:
    """Return nodes and minutes of each wanted partition; "*" is the default one."""
    found: dict[str, tuple[int, float]] = {}
    for line in partitions.splitlines():
        name, nodes, limit = line.split("|")
        if name.rstrip("*") in wanted or ("*" in wanted and name.endswith("*")):
            found[name] = found.get(name, (0, 0.0))[0] + int(nodes), _minutes(limit)
    return list(found.values())


def _minutes(limit: str) -> float:
    """Read a time limit of Slurm, such as 2:00:00 or 1-00:00:00."""
    if not re.fullmatch(r"[0-9:-]+", limit):  # infinite, n/a
        return float("inf")
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    hours, minutes, seconds = [0] * (3 - len(parts)) + parts
    return int(days or 0) * 1440 + hours * 60 + minutes + seconds / 60
