"""`nasflow verify RESULTS` reads every file with its own reader, and compares the files.

The digests form a chain. The status.json of a stage is sealed, which means that it ends with a
digest of its own text. It holds the sha256 of the tables of the stage and of the manifest of its
checkpoint, and the manifest holds the sha256 of the architecture and of the tensors. data.json,
metrics.json and the files.json of a comparison or of a suite hold the sha256 of the files beside
them; a report ends with its own sha256. Between stages, the winner of one round must be the network
that the next round started from. `.resume`, `.lock`, logs and the tables of seconds and memory
(`benchmarks`) are not checked. Links to folders are followed. Copies that people keep beside
results (module `storage.places`) are named, and not checked.
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
from nasflow.storage.ahead import AHEAD
from nasflow.storage.files import MIRRORED, read_json, read_page
from nasflow.storage.folders import Kind, below
from nasflow.storage.made import MADE_DATA
from nasflow.storage.places import Found, found, tell
from nasflow.storage.shapes import LATENCY
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
    place = found(results)
    tell(place)
    findings = _check(results, place)
    for broken, reason in sorted(findings.broken.items()):
        print(printable(f"{broken}: {reason}"))
    if verbose:
        for path in _unknown(results, findings.seen, place):
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
    return _check(results, found(results))


def _check(results: Path, place: Found) -> Findings:
    findings = Findings()
    if not place.experiments and not place.searches:
        raise ValueError(
            f"verify: {results}; no results there, expected a folder such as results/digits"
        )
    for experiment in place.experiments:
        _data(findings, experiment / "data")
        if (experiment / "comparison").is_dir():
            _named(findings, experiment / "comparison", COMPARISON)
        if os.path.lexists(experiment / "latency/table.json"):
            findings.read(experiment / "latency/table.json", lambda path: read_json(path, LATENCY))
        _report(findings, experiment / "report.html")
    for search in place.searches:
        check_search(findings, search)
    for folder in place.sets:
        findings.read(folder / "sitting.json", read_json)
    for suite in sorted({folder.parent for folder in place.sets if folder != results}):
        if os.path.lexists(suite / "files.json"):
            _named(findings, suite, SUITE)
    return findings


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


def _unknown(results: Path, seen: set[Path], place: Found) -> Iterator[Path]:
    """The files that no check has read, and that do not stand in a folder of another kind."""
    own = {".resume", ".lock", AHEAD, "logs", "benchmarks", MIRRORED}
    copies = set(place.copies)
    inside = below(results, lambda path: path.name in own or path in copies)
    for path in sorted(one.path for one in inside if one.kind is Kind.FILE):
        if path not in seen:
            yield path
