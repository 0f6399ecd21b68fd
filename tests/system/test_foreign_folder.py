"""A folder with files of a stranger, in which the pipeline is started."""

import os
import shutil
import subprocess
import sys

import pytest
from pipeline import CONFIG
from places import ROOT

pytestmark = pytest.mark.workflow

PLAN = "results/tiny/nasgd/seed_0/search/plan.json"
EVIL = "import os; os.system('touch PWNED'); raise SystemExit('a file of the folder ran')\n"


def _snakemake(folder, *arguments):
    words = ["--snakefile", str(ROOT / "Snakefile"), "--cores", "1", "--configfile", "config.yaml"]
    return subprocess.run(
        [sys.executable, "-P", "-m", *arguments, *words, "--", PLAN],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    for name in ("queue", "difflib", "mlflow", "numpy", "nasflow", "snakemake", "pydantic"):
        (tmp_path / f"{name}.py").write_text(EVIL)
    return tmp_path


def test_no_rule_and_no_resume_imports_a_module_from_the_current_folder(folder):
    for command in (["snakemake"], ["nasflow", "resume"]):
        done = _snakemake(folder, *command)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (folder / PLAN).exists()
        assert not (folder / "PWNED").exists()
        (folder / PLAN).unlink()


def test_a_script_in_the_clone_takes_the_place_of_no_module(tmp_path):
    """Snakemake puts the folder of its Snakefile on the path of imports; the rules take it off."""
    clone = tmp_path / "clone"
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("workflow", "config", "nasflow"):
        shutil.copytree(ROOT / name, clone / name, symlinks=True, ignore=skipped)
    shutil.copy(ROOT / "Snakefile", clone)
    for name in ("random", "queue", "token", "difflib", "annotated_types", "pydantic", "numpy"):
        (clone / f"{name}.py").write_text(EVIL)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "snakemake", "--cores", "1", "--dry-run", "--", "report"],
        cwd=clone,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (clone / "PWNED").exists()


def test_a_lock_of_snakemake_that_is_a_link_is_refused_in_one_line(folder):
    (folder / "thesis.tex").write_text("years of work")
    (folder / ".snakemake").mkdir()
    (folder / ".snakemake/.lock").symlink_to("../thesis.tex")
    done = _snakemake(folder, "snakemake")
    assert done.returncode != 0
    assert ".snakemake/.lock: a symbolic link" in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "thesis.tex").read_text() == "years of work"
