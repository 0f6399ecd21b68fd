"""The machines of a stage are read from the environment."""

from __future__ import annotations

import pytest

from nasflow.stages.machines import Machines, first_host, machines


def test_the_first_host_of_a_list_in_slurms_notation() -> None:
    lists = ["node01", "node[01-04]", "node[01,07-09],login", "node01,node02", "r[1-2]n[03-05]"]
    assert [first_host(names) for names in lists] == [*["node01"] * 4, "r1n03"]


STEP = {
    "SLURM_JOB_ID": "4123",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_NODELIST": "node[03-04]",
    "SLURM_NODEID": "1",
    "NASFLOW_KEY": "0123456789abcdef",
}


def test_where_machines_meet_is_read_from_the_environment() -> None:
    assert machines({}) == machines({"SLURM_NNODES": "2", "SLURM_JOB_ID": "1"}) == Machines()
    assert machines(STEP) == Machines(2, "node03", 24123, False, STEP["NASFLOW_KEY"])
    given = {"NODES": "3", "MASTER_ADDR": "here", "MASTER_PORT": "5"}
    assert machines(STEP | given) == Machines(3, "here", 5, key=STEP["NASFLOW_KEY"])
    assert machines(STEP | {"NASFLOW_MEETING_SECONDS": "7"}).patience == 7


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"NODES": "2"}, "expected MASTER_ADDR"),
        ({"NODES": "two", "MASTER_ADDR": "here"}, "NODES: 'two'; expected a whole number"),
        (STEP | {"NASFLOW_KEY": ""}, "NASFLOW_KEY: 0 characters, for 2 machines; expected"),
        ({"NODES": "2", "MASTER_ADDR": "here", "NASFLOW_KEY": "guess"}, "NASFLOW_KEY: 5"),
        (STEP | {"SLURM_STEP_NUM_TASKS": "8"}, "expected one task for each node"),
        ({"NASFLOW_MEETING_SECONDS": "0"}, "NASFLOW_MEETING_SECONDS: '0'; expected whole seconds"),
    ],
)
def test_an_environment_that_cannot_work_is_refused(
    environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        machines(environment)
