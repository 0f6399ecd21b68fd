#!/usr/bin/env python3
"""A cluster for a machine without Slurm: called as sbatch, srun, sacct, squeue, scancel, sinfo or
scontrol, it runs a job here, in the background, and tells its state.

Jobs lie in .shim/ID of the current folder (or $SHIM_FOLDER): what sbatch was asked for, the log,
the state and the tasks with their exit codes. Nodes are 127.0.0.1, 127.0.0.2, ... As with Slurm's
proctrack/cgroup a signal goes to the processes that srun started, not to their children and not to
the batch script. With SHIM_REFUSE=1 sbatch notes what it was asked for and runs nothing.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(os.environ.get("SHIM_FOLDER", ".shim")).absolute()
WITH_VALUE = {"-A", "-C", "-D", "-p", "-t", "-J", "-o", "--job-name", "--output", "--comment"}
WITH_VALUE |= {"--mem", "--mem-per-cpu", "--clusters", "--format", "--starttime", "--endtime"}
WITH_VALUE |= {"--name", "--wrap", "-u", "-nu", "-j"}
BATCH = """sh "$1/batch" >"$2" 2>&1 </dev/null && state=COMPLETED || state=FAILED
echo $state >"$1/state.new"; mv "$1/state.new" "$1/state" """


def options(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options before the first word that is none, and the words from there."""
    found, rest = {}, list(words)
    while rest and rest[0].startswith("-"):
        name, equals, value = rest.pop(0).partition("=")
        found[name] = value if equals else rest.pop(0) if name in WITH_VALUE else ""
    return found, rest


def jobs(name: str | None = None) -> list[Path]:
    folders = sorted(FOLDER.glob("[0-9]*"), key=lambda folder: int(folder.name))
    return [f for f in folders if name in (None, asked(f).get("--job-name"))]


def asked(job: Path) -> dict[str, str]:
    file = job / "sbatch.json"
    return json.loads(file.read_text()) if file.exists() else {}


def state(job: Path) -> str:
    return (job / "state").read_text().strip()


def tasks(job: Path) -> list[dict[str, int]]:
    return [json.loads(file.read_text()) for file in sorted(job.glob("task_*.json"))]


def sbatch(words: list[str]) -> int:
    wanted, _ = options(words)
    FOLDER.mkdir(exist_ok=True)
    job = FOLDER / str(max([int(f.name) for f in jobs()], default=0) + 1)
    job.mkdir()
    (job / "state").write_text("RUNNING\n")
    (job / "sbatch.json").write_text(json.dumps(wanted))
    if os.environ.get("SHIM_REFUSE"):
        print("sbatch: error: this cluster takes no jobs", file=sys.stderr)
        return 1
    (job / "batch").write_text("#!/bin/sh\n" + wanted["--wrap"] + "\n")
    log = wanted["--output"].replace("%j", job.name)
    nodes = int(wanted.get("--nodes", "1"))
    environment = {
        **os.environ,
        "SHIM_FOLDER": str(FOLDER),
        "SLURM_JOB_ID": job.name,
        "SLURM_JOB_NUM_NODES": str(nodes),
        "SLURM_NNODES": str(nodes),
        "SLURM_JOB_NODELIST": nodelist(nodes),
    }
    subprocess.Popen(
        ["sh", "-c", f'echo $$ >"$1/pid"\n{BATCH}', "sh", str(job), log],
        cwd=wanted.get("-D", "."),
        env=environment,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    print(job.name)
    return 0


def nodelist(nodes: int) -> str:
    return "127.0.0.1" if nodes == 1 else f"127.0.0.[1-{nodes}]"


def srun(words: list[str]) -> int:
    """A task a node: more is not asked of it."""
    wanted, command = options(words)
    job, nodes = FOLDER / os.environ["SLURM_JOB_ID"], int(wanted.get("--nodes", "1"))
    step = len({task["step"] for task in tasks(job)})
    running = []
    for node in range(nodes):
        environment = {
            "SLURM_STEP_ID": str(step),
            "SLURM_STEP_NUM_NODES": str(nodes),
            "SLURM_STEP_NUM_TASKS": str(nodes),
            "SLURM_STEP_NODELIST": nodelist(nodes),
            "SLURM_NODEID": str(node),
            "SLURMD_NODENAME": f"127.0.0.{node + 1}",
        }
        task = subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True)
        note(job, step, node, {"pid": task.pid})
        running.append(task)
    codes = [task.wait() for task in running]
    for node, (task, code) in enumerate(zip(running, codes, strict=True)):
        note(job, step, node, {"pid": task.pid, "code": code})
    return max(code if code >= 0 else 128 - code for code in codes)


def note(job: Path, step: int, node: int, facts: dict[str, int]) -> None:
    new = job / "task.new"
    new.write_text(json.dumps({"step": step, "node": node, **facts}))
    new.replace(job / f"task_{step}_{node}.json")


def sacct(words: list[str]) -> int:
    """State of the jobs of a name. Answers when one has ended since the last answer, or after 20
    seconds: Snakemake asks ever less often, and the tests would wait for it."""
    wanted, _ = options(words)
    if "--name" not in wanted:
        return 0
    for _ in range(200):
        ended = [job for job in jobs(wanted["--name"]) if state(job) != "RUNNING"]
        news = [job for job in ended if not (job / "told").exists()]
        if news:
            break
        time.sleep(0.1)
    for job in jobs(wanted["--name"]):
        print(f"{job.name}|{state(job)}")
    for job in ended:
        (job / "told").touch()
    return 0


def squeue(words: list[str]) -> int:
    for job in jobs(options(words)[0].get("--name")):
        print(f"{job.name}|{state(job)}")
    return 0


def scancel(words: list[str]) -> int:
    """`scancel --signal=USR1 ID` signals the tasks of the job, `scancel ID` ends it."""
    wanted, names = options(words)
    number = signal.Signals["SIG" + wanted.get("--signal", "KILL")]
    for job in (FOLDER / name for name in names):
        if "--signal" not in wanted:
            os.killpg(int((job / "pid").read_text()), number)
            (job / "state").write_text("CANCELLED\n")
        for task in tasks(job):
            if "code" not in task:
                os.kill(task["pid"], number)
    return 0


def sinfo(words: list[str]) -> int:
    print("PARTITION\nlocal*")
    return 0


def scontrol(words: list[str]) -> int:
    print("MaxArraySize = 1001\nMinJobAge = 300 sec")
    return 0


if __name__ == "__main__":
    commands = (sbatch, srun, sacct, squeue, scancel, sinfo, scontrol)
    sys.exit({c.__name__: c for c in commands}[Path(sys.argv[0]).name](sys.argv[1:]))
