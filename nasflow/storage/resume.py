"""After a crash of Snakemake: its command again, once nobody writes to the results any more."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from nasflow.storage.lock import NAME, writer


def resume(arguments: Sequence[str]) -> int:
    """Unlock and `snakemake --rerun-incomplete` with Snakemake's arguments; its exit code, if
    unlocking fails. Held when a Snakemake or a stage is at work in the folder, an orphan too."""
    known = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    known.add_argument("-d", "--directory", type=Path, default=Path())
    folder = known.parse_known_args(arguments)[0].directory
    for lock in (folder / ".snakemake" / NAME, *sorted(folder.glob(f"results/**/{NAME}"))):
        if lock.exists():
            with writer(lock.parent):
                pass
    snakemake = [sys.executable, "-m", "snakemake"]
    if code := subprocess.run([*snakemake, "--unlock", *arguments]).returncode:
        return code
    os.execv(snakemake[0], [*snakemake, "--rerun-incomplete", *arguments])
