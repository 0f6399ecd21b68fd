"""The files that the status.json of a stage names: a checkpoint and tables.

Each function reads one of them with the reader that the rest of the package uses, and records in
the findings what is broken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from nasflow.records.findings import Findings
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.contents import check_sha256
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
