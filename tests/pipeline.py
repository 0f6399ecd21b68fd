"""The pipeline as a user runs it: Snakemake in a process and a folder of its own."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys

import warm
from places import ROOT

SEARCH = "results/tiny/nasgd/seed_0"


CONFIG = """
experiment: tiny
base: {widths: [4, 8]}
pretrain: {epochs: 1, batch_size: 256}
search: {n_neigh: 2, particles: 50, batch_size: 256, window: 4, warmup_steps: 1, max_steps: 4}
budget: {rounds: 2}
final: {epochs: 1, batch_size: 256}
tracking: {enabled: false}
"""


AFTER = ["select_winner", "final_train", "evaluate", "report"]
TESTED = f"{SEARCH}/final/metrics.json"  # a target without the page, which takes seconds


RESULTS = ["prepare", "pretrain", "plan", "search_round", *AFTER]


HOSTILE = "-x; touch PWNED $(touch PWNED) `touch PWNED`' touch PWNED '\" touch PWNED \"{threads}"


def snakemake(
    folder,
    *arguments,
    config="config.yaml",
    targets=(),
    snakefile=ROOT / "Snakefile",
    fresh=False,
    **options,
):
    """Run Snakemake; `fresh` starts new processes for it and its stages, else they are warm."""
    words = ["snakemake", "--snakefile", str(snakefile), "--cores", "1"]
    words += ["--quiet", "host", *arguments]  # not what the profile says: jobs are shown
    if config is not None:
        words += ["--configfile", config]
    words += ["--", *targets]
    if not fresh:
        return warm.run(words, folder, **options)
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)


def jobs(result):
    """Return the jobs of a run or a dry run, in order: rule names, with the round where there is
    one."""
    assert result.returncode == 0, result.stdout + result.stderr
    found = []
    for line in (result.stdout + result.stderr).splitlines():
        if header := re.match(r"Job \d+: (\w+):(?:.* round (\d+) )?", line):
            name, number = header.groups()
            found.append(f"{name} {number}" if number else name)
    return [name for name in found if name not in ("final_model", "front", "compare", "suite")]


def planned(folder, *arguments, **options):
    return jobs(snakemake(folder, "--dry-run", *arguments, **options))


def edit(folder, old, new):
    file = folder / "config.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def hashes(folder, *patterns):
    files = [file for pattern in patterns for file in sorted((folder / SEARCH).glob(pattern))]
    assert files
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def files_in(folder):
    """Return every file except Snakemake's own."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if path.parts[0] != ".snakemake"}
