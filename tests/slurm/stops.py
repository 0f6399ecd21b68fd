"""A search on a cluster whose jobs are stopped in several ways."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from places import ROOT
from slurm.cluster import NODES, Cluster
from slurm.requests import PROFILE

from nasflow.storage.attempt import FOLDER, STARTS

SEARCH = "results/tiny/nasgd/seed_0"
ROUND = {"n_neigh": 2, "particles": 50, "batch_size": 256, "warmup_steps": 200, "max_steps": 250}
CONFIG = {
    "experiment": "tiny",
    "base": {"widths": [4, 8]},
    "pretrain": {"epochs": 1, "batch_size": 256},
    "search": ROUND,
    "budget": {"rounds": 1},
    "final": {"epochs": 1, "batch_size": 256},
    "tracking": {"enabled": False},
}
SHOWN = "JobID%5,Comment%37,Partition%9,State%9,ExitCode,NodeList%8,Start,End"
LIMIT = 300.0  # seconds for each thing that is waited for
# Other states pass, such as RUNNING, SIGNALING and COMPLETING.
ENDS = (
    *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"),
    *("NODE_FAIL", "PREEMPTED"),
)


class Start(NamedTuple):
    """One start of a job, as `sacct` tells it.

    Attributes:
        number: the number of the job.
        rule: the comment of the plugin, such as `rule_search_round_wildcards_nasgd_0_1`.
        state: how it ended.
        code: its exit code, and the signal that ended it.
        node: its node.
    """

    number: str
    rule: str
    state: str
    code: str
    node: str


class Course(NamedTuple):
    """What was seen of a search.

    Attributes:
        folder: where Snakemake ran.
        code: its exit code.
        said: what it printed.
        accounts: the table of `sacct` at the end, with the jobs of other tests.
        starts: the starts of its jobs.
        logs: the output of each job that did not succeed, by its number.
    """

    folder: Path
    code: int
    said: str
    accounts: str
    starts: list[Start]
    logs: dict[str, str]


def snakemake(
    own: Cluster, folder: Path, *arguments: str, **resources: dict[str, Any]
) -> subprocess.Popen[str]:
    """Start the documented command in a folder with `config.yaml`.

    Args:
        own: the cluster.
        folder: the folder.
        *arguments: more words of the command line.
        **resources: resources for each rule, which the profile gets in addition.
    """
    profile = yaml.safe_load(PROFILE.read_text())
    for rule, added in resources.items():
        profile["set-resources"].setdefault(rule, {}).update(added)
    (folder / "profile").mkdir(exist_ok=True)
    (folder / "profile/profile.yaml").write_text(yaml.safe_dump(profile))
    command = [sys.executable, "-P", str(ROOT / "tests/slurm/asking_often.py")]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--profile", "profile"]
    command += ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "2"]
    return subprocess.Popen(
        [*command, "--configfile", "config.yaml", *arguments],
        cwd=folder,
        env=own.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stopped_search(own: Cluster, folder: Path) -> Course:
    """Run a search to its end; its first job and three jobs of its round are stopped."""
    (folder / "config.yaml").write_text(json.dumps(CONFIG))
    process = snakemake(
        own, folder, "--config", "device=cpu", prepare={"slurm_partition": "cancel"}
    )
    try:
        _urgent(own, wait(lambda: _running(own, "prepare"), process)[1])
        starts, before = folder / SEARCH / "search/round_1" / FOLDER / STARTS, 0
        for stop in STOPS:
            before = wait(partial(_changed, starts, before), process)
            stop(own, *wait(lambda: _running(own, "search_round"), process))
        said = process.communicate(timeout=LIMIT)[0]
    finally:
        process.kill()
    sacct = ("sacct", "--duplicates", "--allocations")
    table = own.answers(*sacct, f"--format={SHOWN}")
    lines = own.answers(*sacct, "-nP", "--format=JobID,Comment,State,ExitCode,NodeList")
    found = [Start(*line.split("|")) for line in lines.splitlines()]
    found = [job for job in found if job.rule.startswith("rule_") and job.node in NODES]
    logs = {log.stem: log.read_text() for log in folder.glob(".snakemake/slurm_logs/**/*.log")}
    return Course(folder, process.returncode, said, table, found, logs)


def wait(what: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> Any:
    """Wait until something is there, while a process runs."""
    limit = time.monotonic() + LIMIT
    while not (found := what()):
        assert process is None or process.poll() is None, process.communicate()[0]
        assert time.monotonic() < limit, "never came"
        time.sleep(0.1)
    return found


def _running(own: Cluster, rule: str) -> list[str]:
    """Return number and node of a job of the rule that runs; [] where there is none."""
    jobs = own.answers("squeue", "-h", "-tR", "-o%i %N %k").splitlines()
    return next((job.split()[:2] for job in jobs if f"rule_{rule}" in job), [])


def ended(own: Cluster, job: str) -> str:
    """Return how a job ended; "" while it waits or runs."""
    state = own.answers("squeue", "-h", "--states=all", "-o%T", f"-j{job}")
    return state if state in ENDS else ""


def _changed(file: Path, before: int) -> int:
    """Return when a file was written, where that was later than `before`."""
    found = file.stat().st_mtime_ns if file.exists() else 0
    return found if found > before else 0


def _frozen(stop: Callable[[Cluster, str, str], None]) -> Callable[[Cluster, str, str], None]:
    """Let the stage wait, without using a processor, until the signal has come."""

    def frozen(own: Cluster, job: str, node: str) -> None:
        stage = _stage(job)
        os.kill(stage, signal.SIGSTOP)
        try:
            stop(own, job, node)
            wait(lambda: _pending(stage, signal.SIGUSR1))
        finally:
            with suppress(ProcessLookupError):
                os.kill(stage, signal.SIGCONT)

    return frozen


def _stage(job: str) -> int:
    """Return the process of the stage, which srun has started in a job."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        own = f"SLURM_JOB_ID={job}".encode() in variables and b"SLURM_STEP_ID=0" in variables
        if own and b"search_round" in words and b"nasflow" in words:
            return int(process.name)
    raise AssertionError(f"job {job} runs no stage")


def _pending(process: int, number: signal.Signals) -> bool:
    """Return True where a signal has come to a process that is stopped, or has ended it."""
    try:
        status = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return True
    masks = [line.split()[1] for line in status if line.startswith(("SigPnd", "ShdPnd"))]
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def _usr1(own: Cluster, job: str, node: str) -> None:
    own.run("scancel", "--signal=USR1", job)


def _time_over(own: Cluster, job: str, node: str) -> None:
    """Lower the time limit, so that the two minutes before it have begun.

    Slurm looks at the time limits every 30 s.
    """
    own.run("scontrol", "update", f"JobId={job}", "TimeLimit=2")


time_over = _frozen(_time_over)


def _urgent(own: Cluster, node: str, *_: str) -> None:
    own.run("sbatch", "-purgent", f"-w{node}", "--exclusive", "-o/dev/null", "--wrap", "true")


def _pre_empted(own: Cluster, job: str, node: str) -> None:
    _urgent(own, node)


def _node_fails(own: Cluster, job: str, node: str) -> None:
    own.kill(node)
    own.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=power")


# Each of them stops the job of the round that runs.
STOPS = (_frozen(_usr1), _frozen(_pre_empted), _node_fails)
