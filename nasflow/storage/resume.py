"""Runs Snakemake again after a crash, unless a process still writes to the results."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from nasflow.storage import places
from nasflow.storage.files import MIRRORED
from nasflow.storage.folders import below
from nasflow.storage.lock import NAME, writer


def resume(arguments: Sequence[str]) -> int:
    """Unlock the folder, and then become `snakemake --rerun-incomplete`.

    When unlocking succeeds, this process is replaced by Snakemake and the function never returns.

    Args:
        arguments: the arguments of Snakemake, as in the command that was interrupted.

    Returns:
        The exit code of `snakemake --unlock`, which is not 0: the function returns only when
        unlocking fails.

    Raises:
        Held: if Snakemake or a stage still works in the folder. A stage may do so after its
            Snakemake was killed.
        ValueError: if a file that is no lock of nasflow, or a link, has the name of a lock.
    """
    known = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    known.add_argument("-d", "--directory", type=Path, default=Path())
    folder = known.parse_known_args(arguments)[0].directory
    for lock in (folder / ".snakemake" / NAME, *_locks(folder / "results")):
        if os.path.lexists(lock):
            with writer(lock.parent):
                pass
    # -P: without it, Python would import a module of Snakemake from a file in the current folder.
    snakemake = [sys.executable, "-P", "-m", "snakemake"]
    if code := subprocess.run([*snakemake, "--unlock", *arguments]).returncode:
        return code
    os.execv(snakemake[0], [*snakemake, "--rerun-incomplete", *arguments])


def _locks(results: Path) -> list[Path]:
    """List the locks of the stages below a folder, also where a link leads to an experiment.

    Copies of results are left alone, and so are their locks. What has the name of a
    lock and is a folder, or a link to one, is not entered: it is listed, and `writer` refuses it.
    """
    place = places.found(results)
    places.tell(place)
    locks = []

    def skipped(path: Path) -> bool:
        if path.name == NAME:
            locks.append(path)
        return path.name.startswith(".") or path.name == MIRRORED or path in place.copies

    for _ in below(results, skipped):
        pass
    return sorted(locks)
