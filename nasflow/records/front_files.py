"""The files of the front of a search: its plan, its networks, and the comparison of them.

Files that a stage has not written yet are no fault as long as there is no front.json, the last
file.
"""

from __future__ import annotations

from pathlib import Path

from nasflow.records.curves import is_number
from nasflow.records.findings import Findings
from nasflow.records.stage_files import Json, any_of, check_metrics, check_training, has_results
from nasflow.storage.files import read_json
from nasflow.storage.manifest import paths, read_architecture

PLAN, FRONT = "plan.json", "front.json"


def check_front(findings: Findings, folder: Path, summary: Json | None) -> None:
    """Check every file of a front.

    Args:
        findings: collects what is broken.
        folder: the folder of the front, such as results/digits/nasgd/seed_0/front.
        summary: search/summary.json; None where it is broken or missing.
    """
    named = {path.name.removeprefix("network_"): path for path in folder.glob("network_*")}
    there = {int(n): path for n, path in named.items() if is_number(n) and has_results(path)}
    ended = any_of(folder, FRONT, "front.csv")
    if not (there or ended or (folder / PLAN).exists()):
        return
    plan = findings.read(folder / PLAN, read_json)
    rows = {row["index"]: row for row in plan["networks"]} if plan else {}
    if summary is None:
        findings.read(folder.parent / "search/summary.json", read_json)
    for row in rows.values():
        _check_source(findings, folder, row, summary)
    wanted = [n for n, row in rows.items() if not row["found"]] if ended else []
    for number in sorted({*there, *wanted}):
        _check_network(findings, folder / f"network_{number}", rows.get(number), ended)
    if ended:
        _check_comparison(findings, folder, rows)


def _check_source(findings: Findings, folder: Path, row: Json, summary: Json | None) -> None:
    """Check that a row of the plan is about the network that it names."""
    stem = folder.parent / row["source"]
    g = findings.read(paths(stem)[0], lambda _: read_architecture(stem))
    if g is not None:
        findings.expect(folder / PLAN, fingerprint=(row["fingerprint"], g.fingerprint))
    if row["found"] and summary is not None:
        findings.expect(folder / PLAN, found=(row["fingerprint"], summary.get("fingerprint")))


def _check_network(findings: Findings, folder: Path, row: Json | None, ended: bool) -> None:
    """Check a network; one that the plan does not have is of an earlier, larger front."""
    centre = check_training(findings, folder)
    if centre and row and not row["found"]:
        path = folder / "status.json"
        findings.expect(path, fingerprint=(centre.fingerprint, row["fingerprint"]))
    if any_of(folder, "metrics.json", "predictions.parquet") or (row and ended):
        check_metrics(findings, folder / "metrics.json", centre)


def _check_comparison(findings: Findings, folder: Path, rows: dict[int, Json]) -> None:
    """Check that front.json is about the networks of the plan, and the file that it names."""
    front = findings.read(folder / FRONT, read_json)
    if front is None:
        return
    for name, sha256 in front["files"].items():
        findings.whole(folder / name, sha256)
    if rows:
        told = [(row["index"], row["fingerprint"]) for row in front["networks"]]
        planned = [(number, row["fingerprint"]) for number, row in rows.items()]
        findings.expect(folder / FRONT, networks=(told, planned))
