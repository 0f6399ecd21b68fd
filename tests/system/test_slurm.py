"""`profiles/slurm` on a real Slurm, whose daemons run on this machine (tests/slurm/cluster.py)."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rounds import RESULTS, TABLES, arguments, run
from slurm import cluster, requests, stops

from nasflow.stages import rounds
from nasflow.stages.cluster_jobs import PARTITIONS, impossible, refused
from nasflow.storage.attempt import FOLDER, STARTS

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.workflow,
    pytest.mark.usefixtures("search"),  # it runs while the other tests do
]

if why := cluster.missing():
    pytest.skip(why, allow_module_level=True)
if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
    pytest.skip("needs the plugin: pip install 'nasflow[slurm]'", allow_module_level=True)

GPUS = "echo $SLURM_NODEID $SLURM_STEP_NUM_NODES $CUDA_VISIBLE_DEVICES"


@pytest.fixture(scope="module")
def own() -> Iterator[cluster.Cluster]:
    """A cluster for the tests of this file."""
    with cluster.cluster() as running:
        yield running


@pytest.fixture(scope="module")
def search(
    own: cluster.Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Future[stops.Course]]:
    """A search on n1 and n2, which runs while the other tests use n3 and n4."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(stops.stopped_search, own, tmp_path_factory.mktemp("stopped"))


def submit(own: cluster.Cluster, words: list[str], what: str) -> tuple[str, str]:
    """Run a job; returns its state and what it printed."""
    log = Path(words[words.index("--output") + 1])
    done = own.run(*words, "--wrap", what)  # sbatch --wait asks ever less often
    job = done.stdout.strip()
    assert job.isdigit(), done.stderr
    return stops.wait(lambda: stops.ended(own, job)), log.read_text()


@pytest.mark.parametrize(
    ("block", "gpu", "seen"),
    [
        ("one GPU", 1, ["0 1 0"]),
        ("four GPUs of one node", 1, ["0 1 0,1,2,3"]),
        ("two nodes of four GPUs", 1, ["0 2 0,1,2,3", "1 2 0,1,2,3"]),
        ("two nodes without a GPU", 0, ["0 2", "1 2"]),
    ],
)
def test_each_block_of_the_profile_gets_its_nodes_and_gpus(
    own: cluster.Cluster, tmp_path: Path, block: str, gpu: int, seen: list[str]
) -> None:
    resources = requests.blocks()[block]
    words = requests.sbatch(resources, gpu, str(tmp_path))
    assert {"--requeue", "--signal=USR1@120"} <= set(words) and "720" in words
    state, said = submit(own, words, f"{resources['launcher']} sh -c '{GPUS}'")
    assert state == "COMPLETED"
    assert sorted(line.strip() for line in said.splitlines()) == seen


def two_nodes(
    folder: Path, where: str, out: str, search: dict[str, int] | None = None, **environment: str
) -> tuple[list[str], str]:
    """A round as a job of the profile's block for two nodes without a GPU."""
    return a_round("two nodes without a GPU", folder, where, out, search, **environment)


def a_round(
    block: str,
    folder: Path,
    where: str,
    out: str,
    search: dict[str, int] | None = None,
    **environment: str,
) -> tuple[list[str], str]:
    """A round as a job of a block of the profile, in a partition."""
    resources = requests.blocks()[block]
    words = requests.sbatch(resources, 0, str(folder))
    words[words.index("-p") + 1] = where
    options = arguments(folder, out, **(search or {})) | {"ranks": "1", "threads": "1"}
    stage = " ".join(f"--{name} '{value}'" for name, value in options.items())
    given = {"NASFLOW_KEY": "0123456789abcdef", **environment}
    exports = " ".join(f"{name}={value}" for name, value in given.items())
    python = f"{sys.executable} -P -m nasflow"
    return words, f"export {exports}; {resources['launcher']} {python} search_round {stage}"


def test_a_round_on_two_nodes_gives_the_bytes_of_one_process(
    own: cluster.Cluster, folder: Path
) -> None:
    alone = run(folder, "alone", 1)
    state, said = submit(own, *two_nodes(folder, "pair", "two"))
    assert state == "COMPLETED", said
    for name in RESULTS + TABLES:
        assert (folder / "two" / name).read_bytes() == (alone / name).read_bytes(), name


def test_a_rank_that_dies_on_one_node_ends_the_other_one_line_each(
    own: cluster.Cluster, folder: Path
) -> None:
    with ThreadPoolExecutor(1) as pool:
        endless = {"max_steps": 100_000, "warmup_steps": 90_000}
        job = pool.submit(submit, own, *two_nodes(folder, "pair", "killed", endless))
        stops.wait((folder / "killed" / FOLDER / STARTS).exists)
        os.kill(stops.wait(lambda: rank_of(folder / "killed")), signal.SIGKILL)
        state, said = job.result(timeout=60)
    lines = sorted(line for line in said.splitlines() if line.startswith("nasflow: "))
    assert state == "FAILED" and "Traceback" not in said
    assert len(lines) == 2 and "a rank on another machine died" in lines[0], said
    assert "rank 1 of 2 died of SIGKILL" in lines[1]


def rank_of(out: Path) -> int:
    """The process of rank 1 of a round; 0 where there is none."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(out).encode() in words and b"RANK=1" in variables:
            return int(process.name)
    return 0


def test_the_end_of_the_time_stops_a_round_and_the_next_job_goes_on_from_its_state(
    own: cluster.Cluster, folder: Path
) -> None:
    job = a_round("one GPU", folder, "pair", "timed")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(submit, own, *job)
        stops.wait((folder / "timed" / FOLDER / STARTS).exists)
        (number,) = own.answers("squeue", "-h", "-tR", "-ppair", "-o%i").splitlines()
        stops.time_over(own, number, "")
        state, said = first.result(timeout=60)
    assert state == "FAILED" and "stopped by SIGUSR1 after step" in said, said
    state, said = submit(own, *job)
    assert state == "COMPLETED" and "goes on after step" in said, said


def test_a_node_whose_name_does_not_resolve_ends_the_round_on_all_nodes(
    own: cluster.Cluster, folder: Path
) -> None:
    """The first node knows its own name here, and waits for the other one until the bound."""
    began = time.monotonic()
    bound = {"NASFLOW_MEETING_SECONDS": "2"}
    state, said = submit(own, *two_nodes(folder, "lost", "lost", **bound))
    lines = [line for line in said.splitlines() if line.startswith("nasflow:")]
    assert state == "FAILED" and len(lines) == 2, said
    for line in lines:
        assert "nasflow: 2 machines did not meet at lost1:2" in line
        assert "cannot look up lost1" in line or "not all of them came within 2 s" in line
    assert not (folder / "lost/status.json").exists() and "Traceback" not in said
    assert time.monotonic() - began < 60


def test_a_job_that_no_node_can_take_ends_at_once_with_what_to_lower(
    own: cluster.Cluster, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(json.dumps(stops.CONFIG))
    process = stops.snakemake(own, tmp_path, "--config", "device=cpu", prepare={"mem_mb": 200_000})
    said = process.communicate(timeout=60)[0]
    lines = [line for line in said.splitlines() if line.startswith("nasflow: prepare: ")]
    assert process.returncode == 1 and "Traceback" not in said
    (line,) = set(lines)
    assert "mem_mb: 200000; Slurm refuses it (Memory specification can not be satisfied)" in line
    assert "lower it in set-resources.prepare" in line
    assert said.count("SLURM sbatch failed") == 0, "one attempt"


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"gpu": 9}, "gpu: 9"),
        ({"gpu": 5, "nodes": 1}, "gpu: 5"),
        ({"cpus_per_task": 17}, "cpus_per_task: 17"),
        ({"mem_mb": 100_001}, "mem_mb: 100001"),
        ({"slurm_extra": "--constraint=h100"}, "Invalid feature specification"),
    ],
)
def test_what_slurm_says_of_requests_that_it_refuses_is_known(
    own: cluster.Cluster, tmp_path: Path, asked: dict[str, Any], line: str
) -> None:
    resources = requests.blocks()["one GPU"] | asked
    done = own.run(*requests.sbatch(resources, 1, str(tmp_path)), "--wrap", "true")
    assert done.returncode and line in refused("search_round", resources, done.stderr)


def test_the_limits_of_the_partitions_are_read(own: cluster.Cluster) -> None:
    partitions = own.answers("sinfo", "--noheader", f"--format={PARTITIONS}")
    pair = {"slurm_partition": "pair", "nodes": 2, "tasks": 2, "runtime": 1440}
    assert impossible("search_round", pair, partitions) == ""
    assert "nodes: 3; the partition has 2" in impossible(
        "search_round", pair | {"nodes": 3, "tasks": 3}, partitions
    )
    assert "runtime: 1441; jobs of the partition end after 1440 minutes" in impossible(
        "search_round", pair | {"runtime": 1441}, partitions
    )
    assert impossible("search_round", {"runtime": 10**6, "nodes": 2, "gpu": 2}, partitions) == ""


@pytest.fixture(scope="module")
def course(search: Future[stops.Course]) -> stops.Course:
    """The search, when it has come to its end."""
    return search.result(timeout=600)


def test_a_search_goes_on_by_itself_whatever_stops_its_jobs(course: stops.Course) -> None:
    assert course.code == 0, course.said
    metrics = json.loads((course.folder / stops.SEARCH / "final/metrics.json").read_text())
    assert metrics["rounds"] == 1
    print(course.accounts)
    assert [job.state for job in course.starts] == [
        *("PREEMPTED", "COMPLETED", "COMPLETED"),  # prepare, prepare, pretrain
        *("FAILED", "FAILED"),  # USR1, pre-emption with a warning
        *("NODE_FAIL", "COMPLETED"),  # one job that Slurm started twice
        *("COMPLETED", "COMPLETED"),  # final_train, evaluate
    ]


def test_a_job_that_gets_usr1_keeps_its_state_and_the_next_job_goes_on_from_it(
    course: stops.Course,
) -> None:
    first, second, failed, last = [
        job for job in course.starts if job.rule.startswith("rule_search_round")
    ]
    for job in (first, second):
        assert "stopped by SIGUSR1 after step" in course.logs[job.number], "no other signal"
    assert "goes on after step" in course.logs[second.number]
    assert failed.number == last.number and failed.node != last.node


def test_the_bytes_of_the_stopped_search_are_those_of_one_process(
    course: stops.Course, tmp_path: Path
) -> None:
    options = {"algorithm": "nasgd", "data": course.folder / "results/tiny/data"}
    parent, out = course.folder / stops.SEARCH / "pretrain/network", tmp_path / "round"
    rounds.search_round(
        config=json.dumps({"search": stops.ROUND, "base": stops.CONFIG["base"]}),
        budget=json.dumps(stops.CONFIG["budget"]),
        parent=parent,
        seed=0,
        round=1,
        out=out,
        device="cpu",
        threads=1,
        **options,
    )
    for name in RESULTS + TABLES:
        there = course.folder / stops.SEARCH / "search/round_1" / name
        assert (out / name).read_bytes() == there.read_bytes(), name
