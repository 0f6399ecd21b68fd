"""A crash of Snakemake, of its job and of both, as a user meets it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from pipeline import SEARCH, files_in, snakemake
from places import ROOT

pytestmark = pytest.mark.workflow

CONFIG = """
experiment: tiny
base: {widths: [4, 8]}
pretrain: {epochs: 1, batch_size: 256}
search: {n_neigh: 2, particles: 50, batch_size: 64, warmup_steps: 9, max_steps: 200, min_lead: 9.0}
budget: {rounds: 2}
tracking: {enabled: false}
"""
ROUND = f"{SEARCH}/search/round_1"
TARGET = f"{ROUND}/status.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with one round that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "config.yaml").write_text(CONFIG)
    done = snakemake(folder, targets=[TARGET])
    assert done.returncode == 0, done.stderr
    return folder


def bytes_of(folder):
    files = [*(folder / ROUND).glob("winner.*"), *(folder / ROUND).glob("*.parquet")]
    assert len(files) == 5
    return {file.name: file.read_bytes() for file in files}


def kept(folder):
    """Return the last step whose state was kept."""
    names = [path.name for path in (folder / ROUND / ".resume").glob("*-*")]
    return max((int(name.split("-")[0]) for name in names), default=0)


def start(folder):
    """Start Snakemake, wait until its round has kept a state, and return both processes."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--cores", "1", "--configfile", "config.yaml", "--", TARGET]
    environment = os.environ | {"NASFLOW_CHECKPOINT_SECONDS": "0.2"}
    running = subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    )
    before = kept(folder)
    while kept(folder) <= before:
        assert running.poll() is None
        time.sleep(0.01)
    job = int(re.match(r"process (\d+) on", (folder / ROUND / ".lock").read_text())[1])
    return running, job


def resume(folder):
    command = [sys.executable, "-m", "nasflow", "resume", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--cores", "1", "--configfile", "config.yaml", "--", TARGET]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)


def test_a_round_goes_on_after_ctrl_c_a_killed_job_and_a_killed_snakemake(whole, tmp_path):
    folder = tmp_path / "crashed"
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / ROUND)
    running, job = start(folder)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    assert running.wait() == 1

    running, job = start(folder)
    os.kill(job, signal.SIGKILL)
    assert running.wait() == 1

    running, job = start(folder)
    os.kill(job, signal.SIGSTOP)  # as if the round took hours
    refused = resume(folder)
    assert refused.returncode == 75
    assert f".snakemake: process {running.pid} on " in refused.stderr
    running.kill()
    running.wait()
    refused = resume(folder)
    assert refused.returncode == 75
    assert f"{ROUND}: process {job} on " in refused.stderr
    os.kill(job, signal.SIGKILL)
    assert "LockException" in snakemake(folder, targets=[TARGET]).stderr

    step = kept(folder)
    done = resume(folder)
    assert done.returncode == 0, done.stderr
    assert f"goes on after step {step}" in done.stderr
    assert bytes_of(folder) == bytes_of(whole)
    assert files_in(folder) == files_in(whole)
