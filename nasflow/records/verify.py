"""`nasflow verify RESULTS`: every file by its own reader, and the files against one another.

The chain of digests: a stage's status.json is sealed and holds the sha256 of its tables and of its
checkpoint's manifest, which holds those of architecture and tensors; data.json, metrics.json and a
comparison's files.json hold those of the files beside them; a report ends with its own. Between
stages: who won is what the next round started from. `.resume`, `.lock` and logs are none of its
business.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from nasflow.config.compare import FILES as COMPARISON
from nasflow.config.experiment import Budget, parse
from nasflow.records.findings import Findings
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import MIRRORED, read_json, read_page, verified
from nasflow.storage.manifest import paths
from nasflow.storage.splits import SPLITS, read_split
from nasflow.storage.tables import read_table

Json = dict[str, Any]
TABLES = ("particles.parquet", "architectures.parquet")


class Centre(NamedTuple):
    """A network on the path of the search: what the next round must have started from."""

    fingerprint: str
    k: int
    tensors: str


def verify(*, results: Path, verbose: bool = False) -> int:
    """A line a broken file, then a summary; 0, or 3 where something is broken."""
    findings = check(results)
    for broken, reason in sorted(findings.broken.items()):
        print(f"{broken}: {reason}")
    if verbose:
        for path in _unknown(results, findings.seen):
            print(f"{path}: unknown, not checked")
    count = len(findings.broken)
    print(f"nasflow: {len(findings.seen)} files checked, {count or 'none'} broken")
    return 3 if count else 0


def check(results: Path) -> Findings:
    """ValueError where no results are."""
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
            _comparison(findings, experiment / "comparison")
            _report(findings, experiment / "report.html")
    for search in searches:
        _search(findings, search)
    return findings


def _folders(results: Path, pattern: str) -> list[Path]:
    """Sorted; those of the mirror are MLflow's own."""
    found = (path for path in results.rglob(pattern) if path.is_dir())
    return sorted(path for path in found if MIRRORED not in path.relative_to(results).parts)


def _data(findings: Findings, folder: Path) -> None:
    facts = findings.read(folder / "data.json", read_json)
    if facts is not None:
        for name in SPLITS:
            file = folder / f"{name}.safetensors"
            findings.read(file, lambda path: read_split(path.parent, path.stem, "cpu"))
        named = facts.get("files", {}) if isinstance(facts, dict) else {}
        for name in named.keys() - {f"{split}.safetensors" for split in SPLITS}:
            _whole(findings, folder / name, named[name])


def _comparison(findings: Findings, folder: Path) -> None:
    if not folder.is_dir():
        return
    facts = findings.read(folder / "files.json", read_json)
    named = facts.get("files", {}) if isinstance(facts, dict) else {}
    for name in COMPARISON:
        if name != "files.json":
            _whole(findings, folder / name, named.get(name))


def _report(findings: Findings, page: Path) -> None:
    if page.exists():
        findings.read(page, read_page)


def _search(findings: Findings, search: Path) -> None:
    rounds = {int(p.name[len("round_") :]): p for p in search.glob("search/round_*") if p.is_dir()}
    ended = (search / "search").is_dir() and _started(search / "search", "winner*", "summary.json")
    summary = findings.read(search / "search/summary.json", read_json) if ended else None
    count = summary.get("rounds", 0) if isinstance(summary, dict) else max(rounds, default=0)
    centre = None
    if rounds or ended or (search / "final").is_dir() or _present(search / "pretrain"):
        centre = _training(findings, search / "pretrain")
    for number in range(1, count + 1):
        folder = search / f"search/round_{number}"
        if number < count or summary is not None or _present(folder):
            centre = _round(findings, folder, number, centre)
    if isinstance(summary, dict):
        _winner(findings, search / "search", summary, centre)
    for number in sorted(n for n in rounds if n > count and _present(rounds[n])):
        _round(findings, rounds[number], number, None)  # of an earlier, longer search
    if ended or (search / "search/plan.json").exists():
        findings.read(
            search / "search/plan.json", lambda path: parse(Budget, read_json(path), "budget")
        )
    if _present(search / "final"):
        _final(findings, search / "final", summary)
    for mirror in sorted(search.glob("tracking/*.json")):
        findings.read(mirror, read_json)


def _training(findings: Findings, folder: Path) -> Centre | None:
    """Pretraining or the final one."""
    path = folder / "status.json"
    status = findings.read(path, read_json)
    if status is None:
        return None
    found = _checkpoint(findings, folder / "network", status)
    table = _table(findings, folder / "history.parquet", status)
    if table is not None:
        steps = table["step"].to_pylist()
        last = status.get("steps") if steps else 0
        ordered = all(a < b for a, b in pairwise(steps))
        findings.expect(
            folder / "history.parquet",
            steps=(max(steps, default=0), last),
            ordered=(ordered, True),
        )
    if found is None:
        return None
    findings.expect(path, fingerprint=(status.get("fingerprint"), found.fingerprint))
    return found


def _round(findings: Findings, folder: Path, number: int, before: Centre | None) -> Centre | None:
    path = folder / "status.json"
    status = findings.read(path, read_json)
    if status is None:
        return None
    found = _checkpoint(findings, folder / "winner", status)
    particles, architectures = (_table(findings, folder / name, status) for name in TABLES)
    findings.read(path, lambda path: _status(findings, path, status, number, found, before))
    if architectures is not None:
        findings.read(
            folder / TABLES[1], lambda path: _nodes(findings, path, architectures, status, before)
        )
    if particles is not None:
        findings.read(folder / TABLES[0], lambda path: _steps(findings, path, particles, status))
    return found


def _status(
    findings: Findings,
    path: Path,
    status: Json,
    number: int,
    found: Centre | None,
    before: Centre | None,
) -> None:
    findings.expect(
        path,
        round=((status["round"], status["totals"]["rounds"]), (number, number)),
        k=(status["k"], status["totals"]["steps"]),
    )
    if found:
        findings.expect(
            path,
            fingerprint=(status["fingerprint"], found.fingerprint),
            k=(status["k"], found.k),
        )
    if before:
        findings.expect(path, **{"k before": (status["k"] - status["steps"], before.k)})


def _nodes(
    findings: Findings, path: Path, table: pa.Table, status: Json, before: Centre | None
) -> None:
    rows = table.to_pylist()
    winners = [(row["node"], row["fingerprint"]) for row in rows if row["winner"]]
    findings.expect(
        path,
        nodes=([row["node"] for row in rows], list(range(status["children"] + 1))),
        winner=(winners, [(status["winner"], status["fingerprint"])]),
    )
    if before:
        parents = {row["parent"] for row in rows} | {rows[0]["fingerprint"]}
        findings.expect(path, parent=(parents, {before.fingerprint}))


def _steps(findings: Findings, path: Path, table: pa.Table, status: Json) -> None:
    findings.expect(path, rows=(len(table), status["network_steps"]))
    step, node, k = (table[name].to_numpy() for name in ("step", "node", "k"))
    pairs = set(zip(step.tolist(), node.tolist(), strict=True))
    findings.expect(
        path,
        **{"different steps and nodes": (len(pairs), len(table))},
        steps=(set(step.tolist()), set(range(1, status["steps"] + 1))),
        k=(bool(np.all(k == step - 1 + status["k"] - status["steps"])), True),
    )


def _winner(findings: Findings, folder: Path, summary: Json, last: Centre | None) -> None:
    """What select_winner wrote: the last centre, and the path there."""
    path = folder / "summary.json"
    found = _checkpoint(findings, folder / "winner", {})
    if found and last:
        findings.expect(folder / "winner.json", network=(found, last))
    if last:
        findings.expect(path, fingerprint=(summary.get("fingerprint"), last.fingerprint))
    numbers = [row.get("round") for row in summary.get("lineage", [])]
    findings.expect(path, lineage=(numbers, list(range(1, summary.get("rounds", 0) + 1))))


def _final(findings: Findings, folder: Path, summary: Json | None) -> None:
    centre = _training(findings, folder)
    path = folder / "metrics.json"
    if not _started(folder, "metrics.json", "summary.txt"):
        return
    metrics = findings.read(path, read_json)
    if metrics is None:
        return
    for name, sha256 in metrics.get("files", {"summary.txt": None}).items():
        _whole(findings, folder / name, sha256)
    if centre:
        findings.expect(path, fingerprint=(metrics.get("fingerprint"), centre.fingerprint))
    if summary is None:
        findings.read(folder.parent / "search/summary.json", read_json)


def _checkpoint(findings: Findings, stem: Path, status: Json) -> Centre | None:
    """The network and what it is; its manifest against the sha256 in the status, if there is
    one."""
    architecture, tensors, manifest = paths(stem)
    expected = status.get("files", {}).get(manifest.name)
    if expected is not None and _whole(findings, manifest, expected) is None:
        return None
    facts = findings.read(manifest, read_json)
    if facts is None:
        return None
    for path in (architecture, tensors):
        findings.read(path, lambda path: verified(path, facts["files"][path.name]))
    found = findings.read(manifest, lambda _: read_checkpoint(stem))
    if found is None:
        return None
    g = found.network.architecture
    return Centre(g.fingerprint, found.k, str(facts["files"][tensors.name]))


def _table(findings: Findings, path: Path, status: Json) -> pa.Table | None:
    def reader(path: Path) -> pa.Table:
        verified(path, status["files"][path.name])
        return read_table(path)

    return findings.read(path, reader)


def _whole(findings: Findings, path: Path, sha256: str | None) -> bytes | None:
    """Against a digest, or at least there."""
    return findings.read(path, lambda p: verified(p, sha256) if sha256 else p.read_bytes())


def _present(folder: Path) -> bool:
    """Whether a stage has left results there: not one that is at it, or was killed."""
    return _started(folder, "*.json", "*.parquet", "*.safetensors", "*.txt") and not (
        (folder / ".resume").exists() and not (folder / "status.json").exists()
    )


def _started(folder: Path, *patterns: str) -> bool:
    return any(True for pattern in patterns for _ in folder.glob(pattern))


def _unknown(results: Path, seen: set[Path]) -> Iterator[Path]:
    own = {".resume", ".lock", "logs", MIRRORED}
    for path in sorted(results.rglob("*")):
        if path.is_file() and path not in seen and not own & set(path.parts):
            yield path
