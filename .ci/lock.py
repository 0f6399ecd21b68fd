"""Write requirements/{torch,run,test}.txt: each installed package with the sha256 of its file.

    .venv/bin/python .ci/lock.py

Run it in an environment in which all tests pass. The versions are those of the environment; the
sums are those of the files that pip's index offers for Linux x86_64 and for the versions of Python
below.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent.parent / "requirements"
PYTHONS = ("3.11", "3.12")
OF_TORCH = ("torch", "torchvision", "triton", "nvidia-", "cuda-")  # large; they depend on the index
HEADS = {
    "torch": "torch and torchvision as on PyPI, with CUDA; they run without a GPU, too",
    "run": "every other package that nasflow needs at run time",
    "test": "the packages that the tests need in addition",
}


def needed(name: str, extras: frozenset[str], found: set[str]) -> None:
    """Add the names of all installed packages on which a package depends."""
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in (extras or {""})):
            continue
        other = canonicalize_name(requirement.name)
        if other not in found or requirement.extras:
            found.add(other)
            needed(other, frozenset(requirement.extras), found)


def report(python: str, names: list[str]) -> list[tuple[str, str]] | None:
    """Ask pip for the names and sums of some packages; None where one of them has no file."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--quiet", "--dry-run", "--no-deps", "--ignore-installed", "--prefer-binary"]
        options += [f"--python-version={python}", f"--target={folder}"]
        options += [f"--report={folder}/report.json"]
        wanted = [f"{name}=={distribution(name).version}" for name in names]
        command = [sys.executable, "-m", "pip", "install", *options, *wanted]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return None
        told = json.loads(Path(folder, "report.json").read_text())["install"]
    return [
        (item["metadata"]["name"], item["download_info"]["archive_info"]["hashes"]["sha256"])
        for item in told
    ]


def sums(names: list[str]) -> dict[str, set[str]]:
    """Collect the sums of the files of some packages, for each version of Python."""
    found: dict[str, set[str]] = {name: set() for name in names}
    for python in PYTHONS:
        told = report(python, names)
        if told is None:  # one by one, without those that this index lacks
            told = [pair for name in names for pair in report(python, [name]) or ()]
        for name, value in told:
            found[canonicalize_name(name)].add(value)
    return found


def main() -> None:
    """Write the three files."""
    run: set[str] = set()
    needed("nasflow", frozenset(), run)
    test: set[str] = set()
    needed("nasflow", frozenset({"test"}), test)
    parts = {
        "torch": {name for name in run if name.startswith(OF_TORCH)},
        "run": {name for name in run if not name.startswith(OF_TORCH)},
        "test": test - run - {"nasflow"},
    }
    for part, names in parts.items():
        lines = [
            f"# For `pip install --no-deps --require-hashes`: {HEADS[part]}.",
            "# .ci/lock.py writes this file, for Linux x86_64.",
        ]
        for name, hashes in sums(sorted(names)).items():
            hashed = " \\\n".join(f"    --hash=sha256:{value}" for value in sorted(hashes))
            lines.append(f"{name}=={distribution(name).version.split('+')[0]} \\\n{hashed}")
        (HERE / f"{part}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
