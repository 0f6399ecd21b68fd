"""What results contain, as plain values: an experiment, a search, a round, a network.

Each file is read by the reader that checks it, and torch is not needed. Stages that have not ended
are left out, so a search can be shown while it runs.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from nasflow.architecture.architecture import Architecture
from nasflow.records.front import front
from nasflow.storage import places
from nasflow.storage.files import CorruptFile, read_json
from nasflow.storage.manifest import read_architecture

Json = dict[str, Any]
STATUS = "status.json"


def experiment(folder: Path) -> Json:
    """Read the data of an experiment, and one row for each of its searches.

    Args:
        folder: results/{experiment}, or the folder of one algorithm in it.
    """
    data = folder / "data/data.json"
    if not data.is_file():
        data = folder.absolute().parent / "data/data.json"
    return {
        "kind": "experiment",
        "folder": str(folder),
        "data": read_json(data) if data.is_file() else None,
        "searches": [_in_short(search(path)) for path in searches(folder)],
    }


def searches(folder: Path) -> list[Path]:
    """Return the folders of the searches in a folder, sorted by algorithm and seed."""
    own = [path for path in places.folders(folder) if places.SEED.fullmatch(path.name)]
    return sorted([*places.searches(folder), *own], key=lambda p: (p.parent.name, _number(p)))


def search(folder: Path) -> Json:
    """Read one search: pretraining, rounds, summary, prune rounds and final training.

    Args:
        folder: results/{experiment}/{algorithm}/seed_{seed}.

    Returns:
        The records of each stage; None for a stage that has not ended.
    """
    ended = _rounds(folder / "search")
    summary, metrics = (
        _record(folder / "search/summary.json"),
        _record(folder / "final/metrics.json"),
    )
    if summary is not None:  # folders of an earlier search with more rounds may still exist
        ended = [one for one in ended if one["round"] <= summary["rounds"]]
    return {
        "kind": "search",
        "folder": str(folder),
        "experiment": folder.absolute().parents[1].name,
        "algorithm": folder.absolute().parent.name,
        "seed": _number(folder),
        "pretrain": _record(folder / "pretrain" / STATUS),
        "rounds": ended,
        "pruned": _rounds(folder / "prune"),
        "summary": summary,
        "final": _record(folder / "final" / STATUS),
        "metrics": metrics,
        "front": _front(folder),
    }


def _front(folder: Path) -> list[Json] | None:
    """Return a row for each network of a front; None where the search has no front."""
    found = front(folder)
    if found is None:
        return None
    rows = (one._asdict() for one in found.networks)
    return [{k: str(v) if isinstance(v, Path) else v for k, v in row.items()} for row in rows]


def _rounds(folder: Path) -> list[Json]:
    """Read the finished rounds in a folder, in order."""
    named = (path for path in folder.glob("round_*") if places.ROUND.fullmatch(path.name))
    ordered = sorted(named, key=_number)
    return [round_(path) for path in ordered if (path / STATUS).is_file()]


def round_(folder: Path) -> Json:
    """Read status.json of a round, and `nodes`: one row for the centre g_r and for each child."""
    from nasflow.storage.tables import read_table

    status = read_json(folder / STATUS)
    nodes = read_table(folder / "architectures.parquet").to_pylist()
    return {"kind": "round", "folder": str(folder), **status, "nodes": nodes}


def network(stem: Path) -> Json:
    """Read a network's architecture, and what its stage recorded about it.

    Args:
        stem: the path of a checkpoint without the ends of its file names.

    Raises:
        CorruptFile: if the manifest of the checkpoint is not one, or a file is damaged.
    """
    return {
        "kind": "network",
        "path": str(stem),
        "g": read_architecture(stem),
        "status": _record(stem.with_name(STATUS)),
        "metrics": _record(stem.with_name("metrics.json")),
    }


def architecture(file: Path, text: str) -> Json:
    """Read an architecture; `g` in the result is the graph.

    Args:
        file: the file that holds it, for messages.
        text: the JSON text of the architecture.

    Raises:
        CorruptFile: if the text is not a valid architecture.
    """
    try:
        g = Architecture.from_json(text)
    except ValueError as error:
        raise CorruptFile(f"{file}: {error}") from error
    return {"kind": "network", "path": str(file), "g": g, "status": None, "metrics": None}


def _in_short(found: Json) -> Json:
    """Shorten a search to one row of the table of an experiment."""
    last = [one for one in (found["pretrain"], *found["rounds"], found["final"]) if one]
    totals = found["rounds"][-1]["totals"] if found["rounds"] else {}
    keys = ("folder", "algorithm", "seed", "metrics")
    return {key: found[key] for key in keys} | {
        "rounds": len(found["rounds"]),
        "recentred": totals.get("recentred", 0),
        "parameters": last[-1]["parameters"] if last else None,
        "flops": last[-1]["flops"] if last else None,
        "validation_accuracy": last[-1]["validation_accuracy"] if last else None,
        "stage": "finished" if found["metrics"] else _stage(found),
    }


def _stage(found: Json) -> str:
    """Name the last stage that has ended."""
    if found["final"]:
        return "trained"
    if found["summary"]:
        return "searched"
    if found["rounds"]:
        return f"round {found['rounds'][-1]['round']}"
    return "pretrained" if found["pretrain"] else "begun"


def _record(path: Path) -> Json | None:
    return read_json(path) if os.path.lexists(path) else None


def _number(path: Path) -> int:
    found = re.search(r"_([0-9]{1,19})$", path.name)
    return int(found[1]) if found else -1
