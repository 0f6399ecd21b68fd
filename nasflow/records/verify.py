"""`nasflow verify RESULTS` reads every file with its own reader, and compares the files.

The digests form a chain. The status.json of a stage is sealed, which means that it ends with a
digest of its own text. It holds the sha256 of the tables of the stage and of the manifest of its
checkpoint, and the manifest holds the sha256 of the architecture and of the tensors. data.json,
metrics.json and the files.json of a comparison or of a suite hold the sha256 of the files beside
them; a report ends with its own sha256. Between stages, the winner of one round must be the network
that the next round started from. `.resume`, `.lock`, logs and the tables of seconds and memory
(`benchmarks`) are not checked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from nasflow.config.compare import FILES as COMPARISON
from nasflow.config.suite import FILES as SUITE
from nasflow.printable import printable
from nasflow.records.findings import Findings
from nasflow.records.search_files import check_search
from nasflow.storage.files import MIRRORED, read_json, read_page
from nasflow.storage.made import MADE_DATA
from nasflow.storage.splits import SPLITS, read_split


def verify(*, results: Path, verbose: bool = False) -> int:
    """Print one line for each broken file, and then a summary.

    Args:
        results: the folder of all results, or a folder below it.
        verbose: also print the files that no check has read.

    Returns:
        The exit code: 0 when no file is broken, 3 when one is.

    Raises:
        ValueError: if the folder holds no results.
    """
    findings = check(results)
    for broken, reason in sorted(findings.broken.items()):
        print(printable(f"{broken}: {reason}"))
    if verbose:
        for path in _unknown(results, findings.seen):
            print(printable(f"{path}: unknown, not checked"))
    count = len(findings.broken)
    print(f"nasflow: {len(findings.seen)} files checked, {count or 'none'} broken")
    return 3 if count else 0


def check(results: Path) -> Findings:
    """Check every experiment and every search in a folder.

    The data, the comparison and the report of an experiment are checked only where `results` is
    the folder of the experiment or a folder above it.

    Args:
        results: the folder of all results, of one experiment, of one algorithm or of one search.

    Returns:
        The files that were read, and the broken ones.

    Raises:
        ValueError: if the folder holds no results.
    """
    findings = Findings()
    searches = _folders(results, "seed_*")
    if results.name.startswith("seed_") and results.is_dir():
        searches.append(results)
    experiments = {search.parents[1] for search in searches}
    experiments |= {path.parent for path in _folders(results, "data")}
    if not experiments:
        raise ValueError(
            f"verify: {results}; no results there, expected a folder such as results/digits"
        )
    for experiment in sorted(experiments):
        if experiment == results or results in experiment.parents:
            _data(findings, experiment / "data")
            if (experiment / "comparison").is_dir():
                _named(findings, experiment / "comparison", COMPARISON)
            _report(findings, experiment / "report.html")
    for search in searches:
        check_search(findings, search)
    for sitting in sorted(results.rglob("sitting.json")):
        findings.read(sitting, read_json)
    for record in sorted(results.rglob("files.json")):
        if any(record.parent.glob("*/sitting.json")):
            _named(findings, record.parent, SUITE)
    return findings


def _folders(results: Path, pattern: str) -> list[Path]:
    """The folders below `results` that fit the pattern, sorted, without those that MLflow made."""
    found = (path for path in results.rglob(pattern) if path.is_dir())
    return sorted(path for path in found if MIRRORED not in path.relative_to(results).parts)


def _data(findings: Findings, folder: Path) -> None:
    facts = findings.read(folder / "data.json", read_json)
    if facts is not None:
        for name in SPLITS:
            file = folder / f"{name}.safetensors"
            findings.read(file, lambda path: read_split(path.parent, path.stem, "cpu"))
        if os.path.lexists(folder / MADE_DATA):
            findings.read(folder / MADE_DATA, read_json)
        named = facts.get("files", {}) if isinstance(facts, dict) else {}
        for name in named.keys() - {f"{split}.safetensors" for split in SPLITS}:
            findings.whole(folder / name, named[name])


def _named(findings: Findings, folder: Path, names: Sequence[str]) -> None:
    """Check the files of a page, whose sha256 stand in the files.json beside them."""
    facts = findings.read(folder / "files.json", read_json)
    named = facts.get("files", {}) if isinstance(facts, dict) else {}
    for name in names:
        if name != "files.json":
            findings.whole(folder / name, named.get(name))


def _report(findings: Findings, page: Path) -> None:
    if os.path.lexists(page):
        findings.read(page, read_page)


def _unknown(results: Path, seen: set[Path]) -> Iterator[Path]:
    """The files that no check has read, and that do not stand in a folder of another kind."""
    own = {".resume", ".lock", "logs", "benchmarks", MIRRORED}
    for path in sorted(results.rglob("*")):
        if path.is_file() and path not in seen and not own & set(path.relative_to(results).parts):
            yield path
