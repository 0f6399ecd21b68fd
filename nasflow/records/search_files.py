"""The files of one search, an algorithm with a seed, from pretraining to the final metrics.

Files that a stage has not written yet are no fault: only a stage that has left results is checked.
Between the stages, the network that one stage ended with must be the one that the next stage
started from.
"""

from __future__ import annotations

from pathlib import Path

from nasflow.config.budget import Budget
from nasflow.config.reading import parse
from nasflow.records.curves import is_number
from nasflow.records.findings import Findings
from nasflow.records.front_files import check_front
from nasflow.records.round_files import check_round
from nasflow.records.stage_files import (
    Centre,
    Json,
    any_of,
    check_metrics,
    check_network,
    check_training,
    has_results,
)
from nasflow.storage.ahead import AHEAD
from nasflow.storage.files import read_json

MISSED = 100  # rounds behind the last one that are told as missing, at most


def check_search(findings: Findings, search: Path) -> None:
    """Check every file of one search.

    Args:
        findings: collects what is broken.
        search: the folder of the search, such as results/digits/nasgd/seed_0.
    """
    selected = search / "search"
    ended = selected.is_dir() and any_of(selected, "winner*", "summary.json")
    summary = findings.read(selected / "summary.json", read_json) if ended else None
    _path(findings, search, summary, ended)
    if ended or (selected / "plan.json").exists():
        findings.read(selected / "plan.json", lambda path: parse(Budget, read_json(path), "budget"))
    _pruned(findings, search, summary)
    if has_results(search / "final"):
        _final(findings, search / "final", summary)
    if (search / "front").is_dir():
        check_front(findings, search / "front", summary)
    for mirror in sorted(search.glob("tracking/*.json")):
        findings.read(mirror, read_json)


def _path(findings: Findings, search: Path, summary: Json | None, ended: bool) -> None:
    """Check pretraining, the rounds in their order, and the winner that was selected."""
    places = {p.name.removeprefix("round_"): p for p in search.glob("search/round_*")}
    rounds = {int(n): p for n, p in places.items() if is_number(n) and p.is_dir()}
    rounds = _without_waiting(rounds)
    last = max(rounds, default=0)
    count = summary.get("rounds", 0) if isinstance(summary, dict) else last
    count = min(count, last + MISSED)  # a false record may tell a billion rounds
    centre = None
    if rounds or ended or (search / "final").is_dir() or has_results(search / "pretrain"):
        centre = check_training(findings, search / "pretrain")
    for number in range(1, count + 1):
        folder = search / f"search/round_{number}"
        if number < count or summary is not None or has_results(folder):
            centre = check_round(findings, folder, number, centre)
    if isinstance(summary, dict):
        _winner(findings, search / "search", summary, centre)
    for number in sorted(n for n in rounds if n > count and has_results(rounds[n])):
        check_round(findings, rounds[number], number, None)  # an earlier, longer search left it


def _pruned(findings: Findings, search: Path, summary: Json | None) -> None:
    """Check the prune rounds in their order; the first one starts from the winner of the search."""
    places = {p.name.removeprefix("round_"): p for p in search.glob("prune/round_*")}
    rounds = {int(n): p for n, p in places.items() if is_number(n) and has_results(p)}
    if not rounds:
        return
    centre = check_network(findings, search / "search/winner", {})
    if summary is None:
        findings.read(search / "search/summary.json", read_json)
    for number in range(1, min(max(rounds), len(rounds) + MISSED) + 1):
        centre = check_round(findings, search / f"prune/round_{number}", number, centre)


def _without_waiting(rounds: dict[int, Path]) -> dict[int, Path]:
    """Leave out the rounds after the first one that was computed ahead and waits.

    They wait too, or are being computed, and their folders hold no results yet.
    """
    waiting = (n for n, p in rounds.items() if (p / AHEAD).is_dir() and not has_results(p))
    first = min(waiting, default=max(rounds, default=0))
    return {n: p for n, p in rounds.items() if n <= first or has_results(p)}


def _winner(findings: Findings, folder: Path, summary: Json, last: Centre | None) -> None:
    """Check what the stage select_winner wrote: the last centre, and the rounds that led to it."""
    path = folder / "summary.json"
    found = check_network(findings, folder / "winner", {})
    if found and last:
        findings.expect(folder / "winner.json", network=(found, last))
    if last:
        findings.expect(path, fingerprint=(summary.get("fingerprint"), last.fingerprint))
    numbers = [row.get("round") for row in summary.get("lineage", [])]
    findings.expect(path, lineage=(numbers, list(range(1, summary.get("rounds", 0) + 1))))


def _final(findings: Findings, folder: Path, summary: Json | None) -> None:
    """Check the final training, its metrics, and the files that the metrics name."""
    centre = check_training(findings, folder)
    path = folder / "metrics.json"
    if not any_of(folder, "metrics.json", "summary.txt"):
        return
    if not check_metrics(findings, path, centre):
        return
    if summary is None:
        findings.read(folder.parent / "search/summary.json", read_json)
