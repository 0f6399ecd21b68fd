"""The files that the status.json of a stage names: a checkpoint and tables.

Each function reads one of them with the reader that the rest of the package uses, and records in
the findings what is broken.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from nasflow.records.findings import Findings
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.contents import check_sha256
from nasflow.storage.files import read_json
from nasflow.storage.manifest import facts as manifest_facts
from nasflow.storage.manifest import paths
from nasflow.storage.tables import read_table

Json = dict[str, Any]


class Centre(NamedTuple):
    """A network that the search stood on. The next round must have started from it.

    Attributes:
        fingerprint: the digest of its architecture.
        k: the number of training steps that the network has had.
        tensors: the SHA-256 of its .safetensors file, in hexadecimal.
    """

    fingerprint: str
    k: int
    tensors: str


def check_network(findings: Findings, stem: Path, status: Json) -> Centre | None:
    """Check the three files of a checkpoint.

    Args:
        findings: collects what is broken.
        stem: the path of the checkpoint without the endings of its files.
        status: the record that names the manifest of the checkpoint and its SHA-256. Where it
            names none, the manifest is checked by its own seal only.

    Returns:
        What the next stage must have started from, or None when a file is broken or missing.
    """
    architecture, tensors, manifest = paths(stem)
    names = (architecture.name, tensors.name)
    expected = status.get("files", {}).get(manifest.name)
    if expected is not None and not findings.whole(manifest, expected):
        return None
    facts = findings.read(manifest, lambda path: manifest_facts(path, *names))
    if facts is None:
        return None
    files = facts[2]
    for path in (architecture, tensors):
        findings.read(path, lambda path: check_sha256(path, files[path.name]))
    found = findings.read(manifest, lambda _: read_checkpoint(stem))
    if found is None:
        return None
    g = found.network.architecture
    return Centre(g.fingerprint, found.k, files[tensors.name])


def check_table(findings: Findings, path: Path, status: Json) -> pa.Table | None:
    """Check a Parquet table against the SHA-256 that the status names, and against its schema.

    Args:
        findings: collects what is broken.
        path: the Parquet file.
        status: the record that names the table and its SHA-256 under `files`.

    Returns:
        The table, or None when it is broken or missing.
    """

    def reader(path: Path) -> pa.Table:
        check_sha256(path, status["files"][path.name])
        return read_table(path)

    return findings.read(path, reader)


def check_training(findings: Findings, folder: Path) -> Centre | None:
    """Check the folder of a training: its network, its table and its status.

    Args:
        findings: collects what is broken.
        folder: the folder of pretraining, of the final training or of a network of the front.

    Returns:
        The trained network, or None when a file is broken or missing.
    """
    path = folder / "status.json"
    status = findings.read(path, read_json)
    if status is None:
        return None
    found = check_network(findings, folder / "network", status)
    table = check_table(findings, folder / "history.parquet", status)
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


def check_metrics(findings: Findings, path: Path, centre: Centre | None) -> bool:
    """Check the metrics of a trained network, and the files that they name.

    Args:
        findings: collects what is broken.
        path: metrics.json.
        centre: the network that they are about; None where it is broken.

    Returns:
        False when the metrics themselves are broken.
    """
    metrics = findings.read(path, read_json)
    if metrics is None:
        return False
    for name, sha256 in metrics.get("files", {"summary.txt": None}).items():
        findings.whole(path.with_name(name), sha256)
    if centre:
        findings.expect(path, fingerprint=(metrics.get("fingerprint"), centre.fingerprint))
    return True


def has_results(folder: Path) -> bool:
    """Return True when a stage has left results in its folder.

    A folder with `.resume` but without status.json has none: its stage is running or was killed.
    """
    unfinished = (folder / ".resume").exists() and not (folder / "status.json").exists()
    return any_of(folder, "*.json", "*.parquet", "*.safetensors", "*.txt") and not unfinished


def any_of(folder: Path, *patterns: str) -> bool:
    """Return True when the folder has an entry that fits one of the patterns."""
    return any(True for pattern in patterns for _ in folder.glob(pattern))
