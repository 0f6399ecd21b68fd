"""`nasflow track` and `nasflow ui`: the mirror in MLflow. torch is loaded only where a network is
registered."""

from __future__ import annotations

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
) -> None:
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

    Raises:
        ValueError: if neither `all` nor both of `source` and `out` are given.
    """
    if all is not None:
        _track_all(all, uri)
        return
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


def ui(*, uri: str) -> None:
    """Serve the pages of MLflow on http://127.0.0.1:5000 until the user interrupts it."""
    from nasflow.tracking.server import local, pages, serve

    for experiment, page in pages(local(uri), "http://127.0.0.1:5000"):
        print(printable(f"nasflow: {experiment} is shown at {page}"))
    print("nasflow: to see runs on other pages, choose Model training at the top left", flush=True)
    serve(uri)


def _track_all(results: Path, uri: str) -> None:
    from nasflow.tracking import mirror

    places.tell(places.found(results))
    for name, facts in mirror.track_all(results, uri=uri).items():
        print(printable(f"{facts['status']:9} {name} {facts['error'] or ''}".rstrip()))
