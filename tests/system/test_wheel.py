"""A wheel works by itself: it brings workflow, configurations, profiles and examples."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

# A search of seconds.
SHORT = [
    *("--set", "base={portfolio: [chain6], widths: [4]}", "--set", "search.max_steps=3"),
    *("--set", "budget={rounds: 1, seconds: null}", "--set", "final.total_seconds=null"),
    *("--set", "final.epochs=1", "--set", "tracking.enabled=false"),
]
PARTS = ("nasflow", "workflow", "config", "profiles", "examples")
FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "NOTICE", "Snakefile")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of a wheel, unpacked as pip does it into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a build writes into the folder of the source
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in PARTS:
        shutil.copytree(ROOT / name, source / name, ignore=skipped, symlinks=True)
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "-w", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    # The compiled kernels come along, as compiling them takes half a minute. They hold only for
    # sources of the same time.
    kernels = ROOT / "nasflow/kernels"
    for path in kernels.glob("*.py"):
        shutil.copystat(path, folder / "site/nasflow/kernels" / path.name)
    if (kernels / "__pycache__").is_dir():
        skipped = shutil.ignore_patterns("*.pyc*", "*.tmp.*")
        there = folder / "site/nasflow/kernels/__pycache__"
        shutil.copytree(kernels / "__pycache__", there, ignore=skipped, dirs_exist_ok=True)
    return folder / "site"


def run(installed: Path, folder: Path, *words: str) -> Any:
    """Run a module of Python in a folder; the package comes from the wheel and not from ROOT."""
    environment = os.environ | {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_every_folder_of_the_program_is_in_it_and_no_second_package(installed: Path) -> None:
    shipped = installed / "nasflow/shipped"
    for name in PARTS[1:]:
        own = {p.relative_to(ROOT) for p in (ROOT / name).rglob("*") if p.is_file()}
        kept = {p for p in own if "__pycache__" not in p.parts and "package" not in p.parts}
        there = {p.relative_to(shipped) for p in (shipped / name).rglob("*") if p.is_file()}
        assert kept and kept == there


def test_commands_read_the_configuration_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    said = run(installed, tmp_path, "nasflow", "check", "missing.yaml")
    assert said.returncode == 2 and "missing.yaml" in said.stderr
    (tmp_path / "mine.yaml").write_text("experiment: mine\n")
    said = run(installed, tmp_path, "nasflow", "check", "mine.yaml")
    assert (said.returncode, said.stderr) == (0, "") and "no problem" in said.stdout


@pytest.mark.workflow
def test_a_search_runs_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    said = run(
        installed, tmp_path, "nasflow", "fit", "digits", "--minutes", "2", "--cores", "1", *SHORT
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert "test images are named right" in said.stdout
    written = [said.stdout, *(path.read_text() for path in tmp_path.glob("*/.snakemake/log/*.log"))]
    assert len(written) == 2 and str(installed) in written[1]
    for name in PARTS:
        assert f"{ROOT}/{name}" not in "".join(written)
