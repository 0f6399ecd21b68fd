"""The MLflow mirror of the records. Only this room imports mlflow.

The Parquet and JSON files are the truth. Everything here can be deleted and made again with
`track_all`. The experiment of the configuration is the experiment in MLflow. A search is a parent
run such as `nasgd seed 0`: its curves go over rounds, and the test metrics are its last numbers.
Each stage is a child run (`pretrain`, `round 03 · deepen`, `final training`) with curves over
steps, the files of the stage and pictures. The final network is a registered model.

Mirroring twice changes nothing. The tag `nasflow.key` says which stage or search a run mirrors,
and the tag `nasflow.digest`, which is written last, says which version of it. A run whose digest is
still right is left alone. A run with another digest, or with none (the call was interrupted), is
replaced. The run of a search is extended while its points agree with the files, and replaced
otherwise. So the id of a run does not last, but its key does. Replaced runs are hidden until
`mlflow gc`.

A mirror never stops a search. A server that is away, silent or slow, or a locked database, becomes
{"status": "pending", "error": ...} and never an exception. It costs a stage at most PATIENCE
seconds of waiting for the first answer, and PATIENCE seconds more for the writing.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasflow.records import curves
from nasflow.storage.own_files import content
from nasflow.tracking import notes, pictures, run_list, server, waiting
from nasflow.tracking.artifacts import PROXIED, place
from nasflow.tracking.artifacts import upload as _upload
from nasflow.tracking.runs import NOTE, PARENT, delete, log, tagged
from nasflow.tracking.search_run import search_run, tell
from nasflow.tracking.source import Source, found, origin

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Seconds that a call waits for others. Work does not count: loading mlflow and drawing the pictures
# of a round take five seconds of it.
PATIENCE = 4.0
# The same where the database does not exist yet. One process makes it, which is work, and on a busy
# machine slow work; the other processes wait for their turn meanwhile.
FIRST = 30.0
LATE = "the mirror was not finished in time; `nasflow track --all results` completes it"
KIND = {"mlflow.experimentKind": "custom_model_development"}  # not one of prompts and traces


def track_pretrain(
    source: Path, *, experiment: str, algorithm: str, seed: int, uri: str
) -> dict[str, Any]:
    """Mirror the pretraining of a search S.

    Args:
        source: the folder S/pretrain.
        experiment: the name of the experiment.
        algorithm: the name of the algorithm or of the ablation.
        seed: the seed of the search.
        uri: the tracking URI, `sqlite:///PATH` or `http(s)://SERVER`.

    Returns:
        The facts for S/tracking/pretrain.json: `status` is logged, unchanged or pending; `error` is
        one line, or None; `run_id`, `parent_run_id` and `digest` are None while it is pending.
    """
    return track(Source(source.absolute(), experiment, algorithm, seed), uri)


def track_round(
    source: Path, *, experiment: str, algorithm: str, seed: int, round: int, uri: str
) -> dict[str, Any]:
    """Mirror one round of a search S.

    Args:
        source: the folder S/search/round_r, or S/prune/round_r.
        experiment: the name of the experiment.
        algorithm: the name of the algorithm or of the ablation.
        seed: the seed of the search.
        round: the number r of the round.
        uri: the tracking URI, `sqlite:///PATH` or `http(s)://SERVER`.

    Returns:
        The facts for S/tracking/round_r.json or prune_r.json, as `track_pretrain` describes them.
    """
    return track(Source(source.absolute(), experiment, algorithm, seed, round), uri)


def track_final(
    source: Path, *, experiment: str, algorithm: str, seed: int, uri: str
) -> dict[str, Any]:
    """Mirror the final training of a search S with its test metrics, and finish the search's run.

    Args:
        source: the folder S/final.
        experiment: the name of the experiment.
        algorithm: the name of the algorithm or of the ablation.
        seed: the seed of the search.
        uri: the tracking URI, `sqlite:///PATH` or `http(s)://SERVER`.

    Returns:
        The facts for S/tracking/final.json, as `track_pretrain` describes them.
    """
    return track(Source(source.absolute(), experiment, algorithm, seed), uri)


def track_all(results: Path, uri: str) -> dict[str, dict[str, Any]]:
    """Mirror every finished stage of a results folder.

    Args:
        results: the folder with results/EXPERIMENT/ALGORITHM/seed_S below it.
        uri: the tracking URI, `sqlite:///PATH` or `http(s)://SERVER`.

    Returns:
        The facts of each stage, as `track_pretrain` describes them, by the key of the stage. Once
        the server was away, the remaining stages are pending without another try. Unlike `track`,
        this function does not limit the waiting while it writes.

    Raises:
        ValueError: if the URI holds a user name or a password.
    """
    server.check(uri)
    facts: dict[str, dict[str, Any]] = {}
    away: str | None = None
    for source in found(results):
        away = away or server.absence(uri)
        facts[source.key] = _attempt(source, uri) if away is None else _pending(uri, away)
    return facts


def track(source: Source, uri: str) -> dict[str, Any]:
    """Mirror one stage.

    The call waits for at most PATIENCE seconds to learn whether the server or the database answers,
    and for at most PATIENCE seconds (FIRST, where the database is made) while it writes. Work does
    not count as waiting.

    Args:
        source: the stage.
        uri: the tracking URI, `sqlite:///PATH` or `http(s)://SERVER`.

    Returns:
        The facts about the mirrored stage, as `track_pretrain` describes them.

    Raises:
        ValueError: if the URI holds a user name or a password.
    """
    server.check(uri)
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
        return _pending(uri, f"{uri}: {LATE}")


def _attempt(source: Source, uri: str) -> dict[str, Any]:
    """Turn a failure of any kind into a fact, since no search may stop for its mirror."""
    try:
        with server.turn(server.lock_of(uri, source.results)):
            return _pending(uri, None) | _mirror(_client(uri), source)
    except Exception as error:
        return _pending(uri, f"{type(error).__name__}: {error}".splitlines()[0][:500])


def _pending(uri: str, error: str | None) -> dict[str, Any]:
    ids = dict.fromkeys(("run_id", "parent_run_id", "digest"))
    return {"schema": 1, "status": "pending", **ids, "uri": uri, "error": error}


def _client(uri: str) -> MlflowClient:
    """Return a client, and make a database that is missing first; the caller holds the lock.

    The database is made under another name and renamed, so that a killed process leaves no half of
    it. MLflow's empty experiment `Default` is deleted from it."""
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
    same = tagged(client, experiment, "nasflow.key", source.key)
    parent, changed = search_run(client, experiment, source)
    parent_id = str(parent.info.run_id)
    kept = next((run for run in same if run.data.tags.get("nasflow.digest") == digest), None)
    run_id = kept.info.run_id if kept else _stage_run(client, experiment, parent_id, source, digest)
    for run in same:
        if run.info.run_id != run_id:
            delete(client, run)
    changed |= tell(client, experiment, parent, source)
    status = "unchanged" if kept and not changed else "logged"
    return {"status": status, "run_id": run_id, "parent_run_id": parent_id, "digest": digest}


def _experiment(client: MlflowClient, name: str) -> str:
    """Return the experiment's id; make it, or take it out of MLflow's bin, where needed."""
    known = client.get_experiment_by_name(name)
    if known is None:
        local = client.tracking_uri.startswith(server.SQLITE)
        made = client.create_experiment(name, PROXIED + name if local else None, KIND)
        known = client.get_experiment(made)
    elif known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
    run_list.describe(client, known)
    return str(known.experiment_id)


def _stage_run(
    client: MlflowClient, experiment: str, parent: str, source: Source, digest: str
) -> str:
    """Make the run of a stage with its curves and files; the digest is written last."""
    time, drawn = curves.stage_time(source.status), pictures.pictures(source)
    run = client.create_run(experiment, time.at(0), _tags(source, parent), source.title)
    run_id = str(run.info.run_id)
    client.set_tag(run_id, NOTE, notes.of_stage(source, run_id, list(drawn)))
    log(client, run_id, source.points(), _parameters(source))
    made = pictures.files(source, drawn) | pictures.diagrams(source)
    _upload(client, run, {path.name: content(path) for path in source.files} | made)
    client.set_tag(run_id, pictures.SHOWN, "True")
    if (source.folder / "metrics.json").exists():
        _register(client, source, run_id, parent)
    client.set_terminated(run_id, "FINISHED", time.at(time.steps))
    client.set_tag(run_id, "nasflow.digest", digest)
    return run_id


def _tags(source: Source, parent: str) -> dict[str, str]:
    tags = origin(source.key, source.results) | {PARENT: parent}
    for name in ("fingerprint", "winner", "morphism", "reason"):
        if name in source.status:
            tags[f"nasflow.{name}"] = str(source.status[name])
    return tags


def _parameters(source: Source) -> dict[str, object]:
    parameters: dict[str, object] = {"algorithm": source.algorithm, "seed": source.seed}
    if source.round is not None:
        status = source.status
        parameters |= {"round": source.round, "morphism": status["morphism"] or "parent"}
        parameters |= {"reason": status["reason"]}
    return parameters


def _register(client: MlflowClient, source: Source, run_id: str, parent: str) -> None:
    """Make the network a version of the registered model; this takes 5 s for a new network."""
    from nasflow.tracking import model

    where = partial(place, client.tracking_uri)
    version = model.register(client, source, run_id, parent, where)
    client.set_tag(run_id, "nasflow.model", f"models:/{source.experiment}/{version}")
