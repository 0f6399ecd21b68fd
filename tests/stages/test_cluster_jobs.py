"""Requests that a cluster can never meet, and jobs that it has given up."""

from __future__ import annotations

import re

import pytest

from nasflow.stages.cluster_jobs import given_up, impossible, refused

PARTITIONS = "main*|4|1-12:00:00\nlong|2|infinite\nbroken|9|n/a\nshort|8|30:00\n"
SRUN = "srun --nodes=2 --ntasks=2 --ntasks-per-node=1"


@pytest.mark.parametrize(
    ("resources", "line"),
    [
        ({"nodes": 2}, "nodes: 2, tasks: 1; without a GPU .*; set tasks: 2"),
        ({"nodes": 3, "tasks": 2, "gpu": 0}, "nodes: 3, tasks: 2; .* set tasks: 3"),
        ({"launcher": SRUN}, "nodes: 1; the launcher asks for 2"),
        ({"launcher": "srun -N 2", "nodes": 4, "gpu": 4}, "nodes: 4; the launcher asks for 2"),
        ({"nodes": 5, "gpu": 5}, "nodes: 5; the partition has 4; lower it in set-resources.rule"),
        ({"nodes": 3, "gpu": 3, "slurm_partition": "long"}, "the partition has 2"),
        ({"runtime": 2161}, "runtime: 2161; jobs of the partition end after 2160 minutes"),
        ({"runtime": 31, "slurm_partition": "short"}, "end after 30 minutes"),
    ],
)
def test_a_job_that_would_never_run_is_refused_in_one_line(
    resources: dict[str, object], line: str
) -> None:
    found = impossible("rule", resources, PARTITIONS)
    assert found.startswith("rule: ") and "\n" not in found
    assert re.search(line, found)


@pytest.mark.parametrize(
    "resources",
    [
        {},
        {"nodes": 2, "tasks": 2, "launcher": SRUN},
        {"nodes": 2, "gpu": 8, "launcher": SRUN},
        {"nodes": 2, "gres": "gpu:4"},
        {"launcher": "srun --nodes=1 --ntasks=1"},
        {"runtime": 10**6, "slurm_partition": "long"},
        {"runtime": 31, "slurm_partition": "short,main"},
        {"runtime": 10**6, "slurm_partition": "unknown"},
    ],
)
def test_a_job_that_can_run_is_not(resources: dict[str, object]) -> None:
    assert impossible("rule", resources, PARTITIONS) == ""


def test_what_sbatch_refuses_again_is_told_with_what_to_lower() -> None:
    given = {"mem_mb": 10**9, "gpu": 9, "runtime": 60, "slurm_partition": "nowhere"}
    node = (
        "sbatch: error: Batch job submission failed: Requested node configuration is not available"
    )
    assert "rule: gpu: 9, mem_mb: 1000000000; Slurm refuses it" in refused("rule", given, node)
    memory = f"sbatch: error: Memory specification can not be satisfied\n{node}"
    assert "rule: mem_mb: 1000000000; " in refused("rule", given, memory)
    place = "sbatch: error: invalid partition specified: nowhere"
    assert "slurm_partition: nowhere; " in refused("rule", given, place)
    assert "; change it in" in refused("rule", given, place)
    for passing in (
        "Socket timed out on send/recv operation",
        "Unable to contact slurm controller",
    ):
        assert refused("rule", given, f"sbatch: error: {passing}") == ""


@pytest.mark.parametrize(
    ("state", "code", "answer", "error", "becomes"),
    [
        ("PREEMPTED", 0, "PREEMPTED\n", "", "CANCELLED"),
        ("PREEMPTED", 0, "PENDING\n", "", "PENDING"),
        ("NODE_FAIL", 0, "RUNNING\n", "", "PENDING"),
        ("NODE_FAIL", 0, "NODE_FAIL\n", "", "FAILED"),
        ("NODE_FAIL", 0, "COMPLETING\n", "", "PENDING"),
        ("PREEMPTED", 1, "", "slurm_load_jobs error: Invalid job id specified", "CANCELLED"),
        (
            "PREEMPTED",
            1,
            "",
            "Unable to contact slurm controller",
            "PENDING",
        ),
    ],
)
def test_the_controller_decides_whether_a_job_starts_again(
    state: str, code: int, answer: str, error: str, becomes: str
) -> None:
    assert given_up(state, code, answer, error) == becomes
