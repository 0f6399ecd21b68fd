"""The MLflow mirror of the records; it and nasflow.tracking.model alone import mlflow.

Parquet and JSON files are the truth, and everything here can be deleted and made again with
`track_all`. The experiment is the experiment; a search is a parent run (`nasgd seed 0`: its curves
go over rounds, the test metrics are its last numbers); each stage is a child run (`pretrain`,
`round 03 · deepen`, `final training`: curves over steps, the files, pictures). The final network is
a registered model.

Idempotent: tag `nasflow.key` says what a run mirrors, `nasflow.digest`, written last, which version
of it. The same digest is left alone; another one, or none (an interrupted call), replaces the run.
A parent is extended while its points agree with the files, and replaced otherwise: a run id is no
lasting name, the key is. Replaced runs are hidden until `mlflow gc`.

Best effort: a server that is away, silent or slow, or a locked database, costs a stage PATIENCE
seconds and becomes {"status": "pending", "error": ...}, never an exception.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasflow.records import curves
from nasflow.records.curves import Point
from nasflow.storage.files import read_json
from nasflow.tracking import notes, pictures, server, waiting
from nasflow.tracking.source import Source, found

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PATIENCE = 4.0  # seconds that go by without work; mlflow and a round's pictures take five
FIRST = 30.0  # where a database is made: seconds of work on a busy machine, no waiting
BATCH = 1000  # MLflow's limit; 50 times faster than point by point
PROXIED = "mlflow-artifacts:/"
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
KIND = {"mlflow.experimentKind": "custom_model_development"}  # not one of prompts and traces


def track_pretrain(
    source: Path, *, experiment: str, algorithm: str, seed: int, uri: str
) -> dict[str, Any]:
    """Mirror S/pretrain; returns what stands in tracking.json."""
    return track(Source(source.absolute(), experiment, algorithm, seed), uri)


def track_round(
    source: Path, *, experiment: str, algorithm: str, seed: int, round: int, uri: str
) -> dict[str, Any]:
    """Mirror S/search/round_r."""
    return track(Source(source.absolute(), experiment, algorithm, seed, round), uri)


def track_final(
    source: Path, *, experiment: str, algorithm: str, seed: int, uri: str
) -> dict[str, Any]:
    """Mirror S/final with the test metrics, which finishes the run of the search."""
    return track(Source(source.absolute(), experiment, algorithm, seed), uri)


def track_all(results: Path, uri: str) -> dict[str, dict[str, Any]]:
    """Mirror every finished stage under results/: key -> facts. Once the server is away the rest is
    pending without being tried."""
    facts: dict[str, dict[str, Any]] = {}
    away: str | None = None
    for source in found(results):
        away = away or server.absence(uri)
        facts[source.key] = _attempt(source, uri) if away is None else _pending(uri, away)
    return facts


def track(source: Source, uri: str) -> dict[str, Any]:
    """Mirror one stage, waiting for at most PATIENCE seconds, or FIRST."""
    path = server.database(uri)
    try:
        away = waiting.within(PATIENCE, lambda: server.absence(uri))
        if away is not None:
            return _pending(uri, away)
        patience = PATIENCE if path is None or path.exists() else FIRST
        server.prepare_environment()
        import mlflow  # noqa: F401

        return waiting.within(patience, lambda: _attempt(source, uri))
    except TimeoutError:
        return _pending(uri, f"{uri}: not done in time; `nasflow track --all` makes it good")


def _attempt(source: Source, uri: str) -> dict[str, Any]:
    """A failure of any kind is a fact: no search stops for its mirror."""
    try:
        with server.turn(server.lock_of(uri, source.results)):
            return _pending(uri, None) | _mirror(_client(uri), source)
    except Exception as error:
        return _pending(uri, f"{type(error).__name__}: {error}".splitlines()[0][:500])


def _pending(uri: str, error: str | None) -> dict[str, Any]:
    ids = dict.fromkeys(("run_id", "parent_run_id", "digest"))
    return {"schema": 1, "status": "pending", **ids, "uri": uri, "error": error}


def _client(uri: str) -> MlflowClient:
    """A client; a database that is missing is made first, under the turn of the caller.

    It is made under another name and renamed, so that a killed process leaves no half of one. The
    empty experiment `Default` goes."""
    server.prepare_environment()
    from mlflow import MlflowClient

    path = server.database(uri)
    if path is not None and not path.exists():
        new = path.with_name(path.name + ".new")
        new.unlink(missing_ok=True)
        MlflowClient(f"{server.SQLITE}{new}").delete_experiment("0")
        os.replace(new, path)
    return MlflowClient(uri)


def _mirror(client: MlflowClient, source: Source) -> dict[str, Any]:
    digest = source.digest()
    experiment = _experiment(client, source.experiment)
    same = _runs(client, experiment, "nasflow.key", source.key)
    parent, changed = _search_run(client, experiment, source)
    parent_id = str(parent.info.run_id)
    kept = next((run for run in same if run.data.tags.get("nasflow.digest") == digest), None)
    run_id = kept.info.run_id if kept else _stage_run(client, experiment, parent_id, source, digest)
    for run in same:
        if run.info.run_id != run_id:
            _delete(client, run)
    changed |= _tell(client, experiment, parent, source)
    status = "unchanged" if kept and not changed else "logged"
    return {"status": status, "run_id": run_id, "parent_run_id": parent_id, "digest": digest}


def _experiment(client: MlflowClient, name: str) -> str:
    """The experiment's id; made or taken out of MLflow's bin where needed."""
    known = client.get_experiment_by_name(name)
    if known is None:
        local = client.tracking_uri.startswith(server.SQLITE)
        tags = KIND | {NOTE: notes.EXPERIMENT}
        return str(client.create_experiment(name, PROXIED + name if local else None, tags))
    if known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
    return str(known.experiment_id)


def _stage_run(
    client: MlflowClient, experiment: str, parent: str, source: Source, digest: str
) -> str:
    """One child run with its curves and files; the digest comes last."""
    status, time = source.status, curves.clock(source.status)
    tags = _origin(source.key, source.results) | {PARENT: parent}
    for name in ("fingerprint", "winner", "morphism", "reason"):
        if name in status:
            tags[f"nasflow.{name}"] = str(status[name])
    parameters = {"algorithm": source.algorithm, "seed": source.seed}
    if source.round is not None:
        parameters |= {"round": source.round, "morphism": status["morphism"] or "parent"}
        parameters |= {"reason": status["reason"]}
    drawn = pictures.pictures(source)
    run = client.create_run(experiment, time.at(0), tags, source.title)
    run_id = str(run.info.run_id)
    client.set_tag(run_id, NOTE, notes.of_stage(source, run_id, list(drawn)))
    _log(client, run_id, source.points(), parameters)
    made = pictures.files(source, drawn) | pictures.diagrams(source)
    _upload(client, run, {path.name: path.read_bytes() for path in source.files} | made)
    client.set_tag(run_id, pictures.SHOWN, "True")
    if (source.folder / "metrics.json").exists():
        _register(client, source, run_id)
    client.set_terminated(run_id, "FINISHED", time.at(time.steps))
    client.set_tag(run_id, "nasflow.digest", digest)
    return run_id


def _register(client: MlflowClient, source: Source, run_id: str) -> None:
    """The network as a version of the registered model; 5 s, where it is not there yet."""
    from nasflow.tracking import model

    version = model.register(client, source, run_id, lambda uri: _place(client.tracking_uri, uri))
    client.set_tag(run_id, "nasflow.model", f"models:/{source.experiment}/{version}")


def _search_run(client: MlflowClient, experiment: str, source: Source) -> tuple[Run, bool]:
    """The parent run of a search, brought up to date; and whether that changed anything."""
    points = {(p.key, p.step, p.value): p for p in curves.of_search(source.search)}
    same = _runs(client, experiment, "nasflow.key", source.search_key)
    there = {run.info.run_id: _points(client, run) for run in same}
    run = next((run for run in same if there[run.info.run_id] <= points.keys()), None)
    created = run is None
    if run is None:
        start, _ = curves.span(source.search)
        tags = _origin(source.search_key, source.results)
        run = client.create_run(experiment, start, tags, f"{source.algorithm} seed {source.seed}")
        _log(client, run.info.run_id, [], {"algorithm": source.algorithm, "seed": source.seed})
    missing = points.keys() - there.get(run.info.run_id, set())
    _log(client, run.info.run_id, [p for key, p in points.items() if key in missing], {})
    for old in (other for other in same if other.info.run_id != run.info.run_id):
        for child in _runs(client, experiment, PARENT, old.info.run_id):
            client.set_tag(child.info.run_id, PARENT, run.info.run_id)
        _delete(client, old)
    return run, created or bool(missing)


def _tell(client: MlflowClient, experiment: str, run: Run, source: Source) -> bool:
    """Description, report, reason and end of a search, where they differ from what the run says."""
    children = _runs(client, experiment, PARENT, run.info.run_id)
    ids = {child.data.tags["nasflow.key"]: str(child.info.run_id) for child in children}
    tags = {NOTE: notes.of_search(source, experiment, ids)}
    summary = source.search / "search" / "summary.json"
    if summary.exists():
        facts = read_json(summary)
        tags |= {f"nasflow.{name}": str(facts[name]) for name in ("reason", "fingerprint")}
    report = source.results / source.experiment / "report.html"  # of all searches, made last
    if report.exists():
        tags["nasflow.report"] = hashlib.sha256(report.read_bytes()).hexdigest()
    changed = {key: value for key, value in tags.items() if run.data.tags.get(key) != value}
    if "nasflow.report" in changed:
        _upload(client, run, {report.name: report.read_bytes()})
    for key, value in changed.items():
        client.set_tag(run.info.run_id, key, value)
    done = (source.search / "final" / "metrics.json").exists()
    _, end = curves.span(source.search)
    if done and run.info.end_time != end:
        client.set_terminated(run.info.run_id, "FINISHED", end)
    return bool(changed) or (done and run.info.end_time != end)


def _origin(key: str, results: Path) -> dict[str, str]:
    """The tags that lead back to the files; `mlflow.source.name` is a column of the runs table."""
    path = f"{results.name}/{key}"
    return {"nasflow.key": key, "nasflow.source": path, "mlflow.source.name": path}


def _runs(client: MlflowClient, experiment: str, tag: str, value: str) -> list[Run]:
    return list(client.search_runs([experiment], f"tags.`{tag}` = '{value}'"))


def _points(client: MlflowClient, run: Run) -> set[tuple[str, int, float]]:
    """All points of a run, to be compared with the files'. One request a key (about 15)."""
    histories = (client.get_metric_history(run.info.run_id, key) for key in run.data.metrics)
    return {(point.key, point.step, point.value) for history in histories for point in history}


def _log(
    client: MlflowClient, run_id: str, points: Sequence[Point], parameters: Mapping[str, object]
) -> None:
    from mlflow.entities import Metric, Param

    if parameters:
        client.log_batch(run_id, params=[Param(k, str(v)) for k, v in parameters.items()])
    for start in range(0, len(points), BATCH):
        batch = points[start : start + BATCH]
        client.log_batch(run_id, [Metric(p.key, p.value, p.time, p.step) for p in batch])


def _upload(client: MlflowClient, run: Run, files: Mapping[str, bytes]) -> None:
    """Path -> content: through the server; for a local database into the folder that the server
    will serve."""
    with tempfile.TemporaryDirectory() as temporary:
        place = _place(client.tracking_uri, str(run.info.artifact_uri))
        for name, content in files.items():
            path = (place or Path(temporary)) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if place is None:
            client.log_artifacts(run.info.run_id, temporary)


def _place(tracking_uri: str, uri: str) -> Path | None:
    """Where artifacts stand, if beside a local database."""
    path = server.database(tracking_uri)
    if path is None or not uri.startswith(PROXIED):
        return None
    return server.artifacts(path) / uri.removeprefix(PROXIED)


def _delete(client: MlflowClient, run: Run) -> None:
    folder = _place(client.tracking_uri, str(run.info.artifact_uri))
    if folder is not None:
        shutil.rmtree(folder.parent, ignore_errors=True)
    client.delete_run(run.info.run_id)
