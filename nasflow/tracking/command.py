"""`nasflow track` and `nasflow ui`: the mirror in MLflow. torch is loaded only where a network is
registered."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from nasflow.printable import printable
from nasflow.storage import places
from nasflow.storage.files import write_json


def track(
    *,
    uri: str,
    all: Path | None = None,
    kind: str = "",
    source: Path | None = None,
    experiment: str = "",
    algorithm: str = "",
    seed: int = 0,
    round: int = 0,
    out: Path | None = None,
) -> int:
    """Mirror the records of one stage, or of all stages of a results folder, to MLflow.

    Args:
        uri: the tracking URI, `sqlite:///PATH` or `http(s)://SERVER`.
        all: the results folder whose finished stages are all mirrored; then the rest is ignored.
        kind: the kind of the one stage: `pretrain`, `round` or `final`.
        source: the folder of the one stage.
        experiment: the name of its experiment.
        algorithm: the name of its algorithm or ablation.
        seed: its seed.
        round: its number, for the kind `round`.
        out: the JSON file that takes the facts about the mirrored stage.

    Returns:
        0; or 1 if a stage of `all` is pending. A pending stage alone is no error, because no search
        stops for its mirror.

    Raises:
        ValueError: if neither `all` nor both of `source` and `out` are given, if the folder `all`
            is missing or holds no finished stage, or if the URI cannot work.
    """
    if all is not None:
        return _track_all(all, uri)
    if source is None or out is None:
        raise ValueError(
            "track: neither --all nor both of --source and --out are given; expected one of the "
            "two; give for example --all results"
        )
    from nasflow.tracking import mirror

    where: dict[str, Any] = {"experiment": experiment, "algorithm": algorithm, "seed": seed}
    if kind == "round":
        where["round"] = round
    facts = getattr(mirror, f"track_{kind}")(source, uri=uri, **where)
    write_json(out, facts)
    return 0


def ui(*, uri: str, port: int | None = None) -> None:
    """Serve the pages of MLflow on 127.0.0.1 until the user interrupts it.

    Args:
        uri: the SQLite URI of the database.
        port: the port to listen on; None takes 5000, or the next one that is free.
    """
    from nasflow.tracking.serving import serve

    serve(uri, port)


def _track_all(results: Path, uri: str) -> int:
    """Mirror all stages, and say what was done; return 1 where something is left to do."""
    from nasflow.tracking import mirror

    if not results.is_dir():
        raise ValueError(f"--all: {results}; no such folder; expected one such as results")
    places.tell(places.found(results))
    every = mirror.track_all(results, uri=uri)
    if not every:
        raise ValueError(
            f"--all: {results}; no finished stage there; expected a folder such as results or"
            " results/digits"
        )
    for name, facts in every.items():
        print(printable(f"{facts['status']:9} {name} {facts['error'] or ''}".rstrip()))
    count = Counter(facts["status"] for facts in every.values())
    parts = (f"{count[status]} {status}" for status in ("logged", "unchanged", "pending"))
    print(printable(f"nasflow: {', '.join(parts)}, at {uri}"))
    if count["pending"]:
        print("nasflow: what is pending is copied by the same command, later", file=sys.stderr)
    return int(count["pending"] > 0)
