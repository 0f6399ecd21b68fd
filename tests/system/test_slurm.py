"""The profile profiles/slurm without a cluster: the commands in tests/slurm stand in for it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from killing import newest
from places import ROOT
from rounds import RESULTS, TABLES

from nasflow.storage.attempt import FOLDER, STARTS

PROFILE = ROOT / "profiles/slurm/profile.yaml"


SEARCH = "results/tiny/nasgd/seed_0"


ROUND = {"n_neigh": 2, "particles": 50, "batch_size": 256, "warmup_steps": 500, "max_steps": 600}


CONFIG = {
    "experiment": "tiny",
    "base": {"widths": [4, 8]},
    "pretrain": {"epochs": 1, "batch_size": 256},
    "search": ROUND,
    "budget": {"rounds": 1},
    "final": {"epochs": 1, "batch_size": 256},
    "tracking": {"enabled": False},
}


# A stage that keeps what it has done says so; one that cannot dies of the signal.
STOPPED = 75


plugin = pytest.mark.skipif(
    importlib.util.find_spec("snakemake_executor_plugin_slurm") is None,
    reason="needs snakemake-executor-plugin-slurm: pip install 'nasflow[slurm]'",
)


def snakemake(folder: Path, *arguments: str, profile: Path = PROFILE.parent, **more: str) -> Any:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--profile", str(profile), "--slurm-init-seconds-before-status-checks", "1"]
    command += ["--configfile", "config.yaml", "--latency-wait", "2", *arguments]
    environment = {**os.environ, **more, "PATH": f"{ROOT}/tests/slurm:{os.environ['PATH']}"}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(what: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    for _ in range(6000):
        if found := what():
            return found
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    raise AssertionError("never came")


def asked(folder: Path, rule: str) -> list[dict[str, str]]:
    """What sbatch was asked for, one dictionary a job of the rule."""
    files = sorted(folder.glob(".shim/*/sbatch.json"), key=lambda file: int(file.parent.name))
    found = [json.loads(file.read_text()) | {"id": file.parent.name} for file in files]
    return [options for options in found if options["--comment"].startswith(f"rule_{rule}")]


def codes(folder: Path, job: str) -> list[int]:
    files = sorted((folder / ".shim" / job).glob("task_*.json"))
    return [json.loads(file.read_text())["code"] for file in files]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A search to its end; its round was sent SIGUSR1 as soon as it trained."""
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "config.yaml").write_text(json.dumps(CONFIG))
    process = snakemake(folder, "--config", "device=cpu")
    try:
        starts = folder / SEARCH / "search/round_1" / FOLDER / STARTS
        wait_for(starts.exists, process)
        stop = [
            ROOT / "tests/slurm/scancel",
            "--signal=USR1",
            asked(folder, "search_round")[0]["id"],
        ]
        subprocess.run(stop, cwd=folder, check=True)
        said = process.communicate(timeout=150)[0]
        assert process.returncode == 0, said
        yield folder
    finally:
        process.kill()


@plugin
@pytest.mark.workflow
def test_a_search_goes_through_slurm_to_its_end_and_its_stopped_round_is_another_job(
    finished: Path,
) -> None:
    assert json.loads((finished / SEARCH / "final/metrics.json").read_text())["rounds"] == 1
    for rule in ("prepare", "pretrain", "final_train", "evaluate"):
        assert [codes(finished, job["id"]) for job in asked(finished, rule)] == [[0]]
    first, second = asked(finished, "search_round")
    assert codes(finished, first["id"]) == [STOPPED], "the signal came to the stage, no other died"
    assert codes(finished, second["id"]) == [0]
    assert not asked(finished, "plan") and not asked(finished, "select_winner")


@plugin
@pytest.mark.workflow
def test_long_stages_ask_for_a_signal_before_their_time_is_over_and_all_may_be_requeued(
    finished: Path,
) -> None:
    minutes = {"prepare": 60, "pretrain": 240, "search_round": 720, "final_train": 720}
    for rule, time_limit in minutes.items():
        options = asked(finished, rule)[0]
        assert options["-t"] == str(time_limit)
        assert options.get("--signal") == (None if rule == "prepare" else "USR1@120")
        assert "--requeue" in options
        assert options["--mem"] == ("16000" if rule == "search_round" else "8000")
        assert "--gpus" not in options, "the search ran with device=cpu"


def variants() -> list[dict[str, Any]]:
    """The profile, and the profile with each search_round that it offers in comments."""
    text = PROFILE.read_text()
    profile = yaml.safe_load(text)
    found = [profile]
    for part in text.split("#\n# - ")[1:]:
        block = [line.removeprefix("#   ") for line in part.splitlines() if line[:4] == "#   "]
        rules = profile["set-resources"] | yaml.safe_load("\n".join(block))
        found.append(profile | {"set-resources": rules})
    return found


@plugin
@pytest.mark.workflow
@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        (0, {"--gpus": "1", "--cpus-per-task": "2", "--mem": "16000"}),
        (1, {"--gpus": "4", "--cpus-per-task": "8", "--mem": "64000"}),
        (2, {"--gpus": "8", "--nodes": "2", "--gpus-per-node": "4", "--ntasks-per-node": "1"}),
    ],
)
def test_a_round_asks_for_the_gpus_and_nodes_of_the_profile(
    finished: Path, tmp_path: Path, variant: int, expected: dict[str, str]
) -> None:
    folder, profile = tmp_path / "search", tmp_path / "profile"
    shutil.copytree(finished, folder, ignore=shutil.ignore_patterns(".shim"))
    profile.mkdir()
    (profile / "profile.yaml").write_text(yaml.safe_dump(variants()[variant]))
    weights = f"{SEARCH}/search/round_1/winner.safetensors"
    options = ("--retries", "0", "--force", weights)
    said = snakemake(folder, *options, profile=profile, SHIM_REFUSE="1").communicate(timeout=60)[0]
    assert "this cluster takes no jobs" in said
    (job,) = asked(folder, "search_round")
    assert job.items() >= {**expected, "-t": "720", "--signal": "USR1@120"}.items()
    assert "--ntasks" not in job, "Slurm counts one task a node"


def two_nodes(folder: Path, out: str, job: str, **search: Any) -> subprocess.Popen[str]:
    """The round of `finished` as one step on two nodes of a rank each."""
    options = {
        "config": json.dumps({"search": ROUND | search}),
        "algorithm": "nasgd",
        "data": "results/tiny/data",
        "parent": f"{SEARCH}/pretrain/network",
        "budget": json.dumps(CONFIG["budget"]),
        "seed": "0",
        "round": "1",
        "out": out,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    (folder / ".shim" / job).mkdir()
    environment = {**os.environ, "SLURM_JOB_ID": job, "NASFLOW_CHECKPOINT_SECONDS": "1"}
    environment["NASFLOW_KEY"] = "0123456789abcdef"
    srun = [str(ROOT / "tests/slurm/srun"), "--nodes=2", "--ntasks-per-node=1"]
    return subprocess.Popen(
        [*srun, sys.executable, "-m", "nasflow", "search_round", *words],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


@plugin
def test_a_round_on_two_nodes_gives_the_bytes_that_one_process_gave(finished: Path) -> None:
    process = two_nodes(finished, "two", "101")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    for name in RESULTS + TABLES:
        alone = finished / SEARCH / "search/round_1" / name
        assert (finished / "two" / name).read_bytes() == alone.read_bytes(), name


@plugin
def test_a_rank_that_dies_on_one_node_ends_the_other_one_line_each(finished: Path) -> None:
    process = two_nodes(finished, "killed", "102", max_steps=100_000, warmup_steps=90_000)
    wait_for(lambda: newest(finished / "killed"), process)
    launcher = json.loads((finished / ".shim/102/task_0_1.json").read_text())["pid"]
    tasks = Path(f"/proc/{launcher}/task").glob("*/children")
    (rank,) = [int(child) for task in tasks for child in task.read_text().split()]
    os.kill(rank, signal.SIGKILL)
    said = process.communicate(timeout=60)[1]
    lines = sorted(line for line in said.splitlines() if line.startswith("nasflow:"))
    assert process.returncode == 1
    assert len(lines) == 2
    assert "a rank on another machine died" in lines[0]
    assert "of 2 died of SIGKILL" in lines[1]
    assert "Traceback" not in said
    assert not (finished / "killed/status.json").exists()
