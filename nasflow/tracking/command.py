"""`nasflow track` and `nasflow ui`: the mirror in MLflow, without loading torch where no network is
looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
) -> None:
    """Mirror one stage's records (or `all` of a results folder) to MLflow."""
    from nasflow.tracking import mirror

    if all is not None:
        mirrored = mirror.track_all(all, uri=uri)
        for name, facts in mirrored.items():
            print(f"{facts['status']:9} {name} {facts['error'] or ''}".rstrip())
        return
    if source is None or out is None:
        raise ValueError("track: neither --all nor --source and --out; expected one of both")
    where: dict[str, Any] = {"experiment": experiment, "algorithm": algorithm, "seed": seed}
    if kind == "round":
        where["round"] = round
    facts = getattr(mirror, f"track_{kind}")(source, uri=uri, **where)
    write_json(out, facts)


def ui(*, uri: str) -> None:
    """Serve MLflow's UI on http://127.0.0.1:5000 until interrupted."""
    from nasflow.tracking.server import local, pages, serve

    for experiment, page in pages(local(uri), "http://127.0.0.1:5000"):
        print(f"nasflow: {experiment} is shown at {page}")
    print("nasflow: on other pages choose Model training, at the top left", flush=True)
    serve(uri)
