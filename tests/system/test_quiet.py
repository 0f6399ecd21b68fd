"""With the shipped profile the terminal says what matters, and the log file has everything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pipeline import CONFIG
from places import ROOT


def run(folder: Path, *words: str) -> tuple[int, list[str]]:
    """Run Snakemake as a user does; return the exit code and the lines of both streams."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--workflow-profile", str(ROOT / "profiles/default"), "--cores", "1", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.mark.workflow
def test_the_reason_of_a_failure_is_the_last_line_and_the_log_has_the_job(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG + "data: {source: digits, split: split.csv}\n")
    (tmp_path / "split.csv").write_text("no table")
    code, lines = run(tmp_path, "--configfile", "config.yaml", "--", "final_model")
    assert code == 1 and lines[-1].startswith("nasflow: prepare failed (2): "), lines
    assert not any("Select jobs" in line or "CalledProcessError" in line for line in lines)
    (log,) = (tmp_path / ".snakemake/log").glob("*.log")
    assert "prepare: read the images" in log.read_text()


@pytest.mark.workflow
def test_a_dry_run_shows_jobs_and_errors_of_snakemake_stay(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    code, lines = run(tmp_path, "--configfile", "config.yaml", "-n", "--", "final_model")
    assert code == 0 and any("prepare: read the images" in line for line in lines)
    code, lines = run(tmp_path, "--configfile", "absent.yaml", "--", "final_model")
    assert code == 1 and any("absent.yaml" in line for line in lines)
    code, lines = run(tmp_path, "--configfile", "config.yaml", "--", "no_such_target")
    assert code == 1 and any("no_such_target" in line for line in lines)
