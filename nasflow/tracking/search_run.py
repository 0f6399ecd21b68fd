"""The run of a whole search: the parent of the runs of its stages, with curves over rounds."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from nasflow.records import curves
from nasflow.records.page_file import is_stand_in
from nasflow.storage import places
from nasflow.storage.files import read_json
from nasflow.storage.own_files import content
from nasflow.tracking import notes
from nasflow.tracking.artifacts import upload
from nasflow.tracking.runs import NOTE, PARENT, delete, log, points_of, tagged
from nasflow.tracking.source import Source, origin
from nasflow.tracking.used import log_data, log_network

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = "nasflow.report"  # the tag with the digest of the page that stands with a run


def search_run(client: MlflowClient, experiment: str, source: Source) -> tuple[Run, bool]:
    """Bring the curves of a search's run up to date, and make the run where there is none.

    A run whose points all agree with the files is extended. Where no such run is there, a new one
    takes over the runs of the stages, and the old ones are deleted.

    Args:
        client: the client of the server or the database.
        experiment: MLflow's id of the experiment.
        source: any stage of the search.

    Returns:
        The run, and whether anything changed.
    """
    points = {(p.key, p.step, p.value): p for p in curves.of_search(source.search)}
    same = tagged(client, experiment, "nasflow.key", source.search_key)
    there = {run.info.run_id: points_of(client, run) for run in same}
    run = next((run for run in same if there[run.info.run_id] <= points.keys()), None)
    created = run is None
    if run is None:
        run = _created(client, experiment, source)
    missing = points.keys() - there.get(run.info.run_id, set())
    log(client, run.info.run_id, [p for key, p in points.items() if key in missing], {})
    for old in (other for other in same if other.info.run_id != run.info.run_id):
        for child in tagged(client, experiment, PARENT, old.info.run_id):
            client.set_tag(child.info.run_id, PARENT, run.info.run_id)
        delete(client, old)
    return run, created or bool(missing)


def tell(client: MlflowClient, experiment: str, run: Run, source: Source) -> bool:
    """Write the description, the data set, the network, the reason and the end to a search's run.

    With the final training, the page of the experiment is copied to the runs of all its searches.

    Args:
        client: the client of the server or the database.
        experiment: MLflow's id of the experiment.
        run: the run of the search.
        source: any stage of the search.

    Returns:
        Whether anything differed from what the run said before.
    """
    tags = _tags(client, experiment, run, source)
    changed = {key: value for key, value in tags.items() if run.data.tags.get(key) != value}
    for key, value in changed.items():
        client.set_tag(run.info.run_id, key, value)
    new = log_data(client, run, source) or bool(changed)
    if source.final:
        new |= _share_page(client, experiment, source)
    done = (source.search / "final" / "metrics.json").exists()
    _, end = curves.span(source.search)
    if done and run.info.end_time != end:
        client.set_terminated(run.info.run_id, "FINISHED", end)
    return new or (done and run.info.end_time != end)


def _share_page(client: MlflowClient, experiment: str, source: Source) -> bool:
    """Copy the page of the experiment to the runs of all its searches, where it has changed."""
    top = source.results / source.experiment
    page, changed = top / "report.html", False
    if not os.path.lexists(page) or is_stand_in(page):
        return False
    digest = hashlib.sha256(content(page)).hexdigest()
    for search in places.searches(top):
        key = search.relative_to(source.results).as_posix()
        for run in tagged(client, experiment, "nasflow.key", key):
            if run.data.tags.get(PAGE) != digest:
                upload(client, run, {page.name: content(page)})
                client.set_tag(run.info.run_id, PAGE, digest)
                changed = True
    return changed


def _created(client: MlflowClient, experiment: str, source: Source) -> Run:
    start, _ = curves.span(source.search)
    tags = origin(source.search_key, source.results)
    run = client.create_run(experiment, start, tags, f"{source.algorithm} seed {source.seed}")
    log(client, run.info.run_id, [], {"algorithm": source.algorithm, "seed": source.seed})
    return run


def _tags(client: MlflowClient, experiment: str, run: Run, source: Source) -> dict[str, str]:
    children = tagged(client, experiment, PARENT, run.info.run_id)
    ids = {child.data.tags["nasflow.key"]: str(child.info.run_id) for child in children}
    by_key = {child.data.tags["nasflow.key"]: child for child in children}
    tags = {NOTE: notes.of_search(source, experiment, str(run.info.run_id), ids)}
    tags |= log_network(client, run, by_key.get(f"{source.search_key}/final"))
    summary = source.search / "search" / "summary.json"
    if summary.exists():
        facts = read_json(summary)
        tags |= {f"nasflow.{name}": str(facts[name]) for name in ("reason", "fingerprint")}
    return tags
