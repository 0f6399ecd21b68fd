"""The MLflow mirror says what the files say and can be made again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mirrored import (
    MORPHISMS,
    PLACE,
    STARTED,
    content,
    curve,
    runs,
    uri,
    write_round,
    write_search,
    write_training,
)

from nasflow.records import curves
from nasflow.records.page_file import STAND_IN
from nasflow.storage.files import write_json
from nasflow.storage.tables import read_table
from nasflow.tracking import mirror, run_list, server, serving

pytestmark = pytest.mark.usefixtures("no_registry")


def _shares_after(particles: list[dict[str, Any]], node: int) -> dict[int, float]:
    total = sum(row["count_after"] for row in particles if row["step"] == 1)
    own = [row for row in particles if row["node"] == node]
    return {row["step"]: row["count_after"] / total for row in own}


def test_curves_are_the_rows_of_the_files_thinned(results: Path) -> None:
    folder = write_round(results / "digits/nasgd/seed_0", 1, steps=450)
    facts = mirror.track_round(folder, round=1, uri=uri(results), **PLACE)
    assert (facts["status"], facts["error"]) == ("logged", None)
    run = runs(uri(results))["digits/nasgd/seed_0/search/round_1"]
    particles = read_table(folder / "particles.parquet").to_pylist()
    shown = 0
    for node, morphism in enumerate(MORPHISMS):
        for column in ("share", "validation_loss", "energy"):
            rows = {row["step"]: row[column] for row in particles if row["node"] == node}
            if column == "share":  # after the move, so that the last point decides the round
                rows = _shares_after(particles, node)
            points = curve(uri(results), run, f"{column}/{node} {morphism or 'parent'}")
            assert len(points) == curves.CURVE
            assert {1, 450} <= points.keys()
            assert points.items() <= rows.items()
            shown += len(points)
    rows = {row["step"]: row["tau"] for row in particles}
    assert curve(uri(results), run, "tau").items() <= rows.items()
    assert shown < 10_000
    share = mirror._client(uri(results)).get_metric_history(run.info.run_id, "share/0 parent")
    assert share[-1].timestamp == int(1000 * (STARTED + 100 + 40.0))
    assert run.info.end_time == share[-1].timestamp


def test_a_search_is_one_run_over_rounds_with_its_test_metrics(results: Path) -> None:
    search = write_search(results)
    facts = mirror.track_all(results, uri(results))
    assert [f["status"] for f in facts.values()] == ["logged"] * 4
    parent = runs(uri(results))["digits/nasgd/seed_0"]
    accuracy = curve(uri(results), parent, "validation_accuracy")
    assert accuracy == {0: 0.9, 1: 0.91, 2: 0.92, 3: 0.97}
    assert parent.data.metrics["test_accuracy"] == 0.9625
    assert parent.data.metrics["effort/seconds_total"] == 200.0
    assert curve(uri(results), parent, "effort/steps") == {1: 300, 2: 300}
    assert curve(uri(results), parent, "effort/seconds_search") == {0: 80.0}
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["nasflow.source"] == "results/digits/nasgd/seed_0"
    assert {f["parent_run_id"] for f in facts.values()} == {parent.info.run_id}
    final = runs(uri(results))["digits/nasgd/seed_0/final"]
    stored = results / "mlartifacts" / "digits" / final.info.run_id / "artifacts" / "metrics.json"
    assert stored.read_bytes() == (search / "final" / "metrics.json").read_bytes()


def test_mirroring_twice_changes_nothing(results: Path) -> None:
    write_search(results, rounds=1)
    mirror.track_all(results, uri(results))
    before, ids = content(uri(results)), {r.info.run_id for r in runs(uri(results)).values()}
    again = mirror.track_all(results, uri(results))
    assert {f["status"] for f in again.values()} == {"unchanged"}
    assert content(uri(results)) == before
    assert {r.info.run_id for r in runs(uri(results)).values()} == ids


def test_a_changed_round_replaces_its_run_and_no_point_is_there_twice(results: Path) -> None:
    search = write_search(results, final=False)
    first = mirror.track_all(results, uri(results))
    folder = write_round(search, 1, steps=120, seconds=50.0)
    facts = mirror.track_round(folder, round=1, uri=uri(results), **PLACE)
    key = "digits/nasgd/seed_0/search/round_1"
    assert facts["status"] == "logged"
    assert facts["run_id"] != first[key]["run_id"]
    assert not (results / "mlartifacts" / "digits" / first[key]["run_id"]).exists()
    found = runs(uri(results))
    assert found[key].info.run_id == facts["run_id"]
    assert curve(uri(results), found["digits/nasgd/seed_0"], "effort/seconds") == {1: 50.0, 2: 40.0}
    parents = {r.data.tags[mirror.PARENT] for k, r in found.items() if k.count("/") > 2}
    assert parents == {found["digits/nasgd/seed_0"].info.run_id}


def test_a_lost_mirror_is_rebuilt_with_the_same_content(results: Path, empty: Path) -> None:
    write_search(results, rounds=1)
    mirror.track_all(results, uri(results))
    other = results.with_name("moved")
    shutil.copytree(results, other / "results", ignore=shutil.ignore_patterns("ml*"))
    shutil.copy(empty, other / "results" / "mlflow.db")
    facts = mirror.track_all(other / "results", uri(other / "results"))
    assert [f["status"] for f in facts.values()] == ["logged"] * 3
    assert content(uri(other / "results")) == content(uri(results))


def test_results_can_be_moved_with_their_mirror(results: Path) -> None:
    write_search(results, rounds=1)
    mirror.track_all(results, uri(results))
    moved = results.parent / "elsewhere" / "results"
    shutil.move(results, moved)
    facts = mirror.track_all(moved, uri(moved))
    assert {f["status"] for f in facts.values()} == {"unchanged"}
    with closing(sqlite3.connect(moved / "mlflow.db")) as connection:
        lines = list(connection.iterdump())
    assert len(lines) > 100
    assert not [line for line in lines if str(results.parent) in line]


def test_an_interrupted_call_can_be_repeated(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_training(results / "digits/nasgd/seed_0/pretrain", "pretrain", STARTED, 0.9)
    with monkeypatch.context() as patch:
        patch.setattr(mirror, "_upload", lambda *_: 1 / 0)
        facts = mirror.track_pretrain(folder, uri=uri(results), **PLACE)
        assert (facts["status"], facts["run_id"]) == ("pending", None)
        assert facts["error"] == "ZeroDivisionError: division by zero"
    facts = mirror.track_pretrain(folder, uri=uri(results), **PLACE)
    assert facts["status"] == "logged"
    run = runs(uri(results))["digits/nasgd/seed_0/pretrain"]
    assert run.data.tags["nasflow.digest"] == facts["digest"]


def test_a_damaged_file_is_reported_and_does_not_stop_the_others(results: Path) -> None:
    search = write_search(results, rounds=1, final=False)
    (search / "pretrain" / "history.parquet").write_bytes(b"PAR1")
    facts = mirror.track_all(results, uri(results))
    assert [f["status"] for f in facts.values()] == ["pending", "logged"]
    assert "history.parquet" in facts["digits/nasgd/seed_0/pretrain"]["error"]


def test_the_report_stands_with_each_search_as_it_is_now(results: Path) -> None:
    write_search(results, rounds=1)
    mirror.track_all(results, uri(results))
    (results / "digits/report.html").write_text("<html>first</html>")
    run = runs(uri(results))["digits/nasgd/seed_0"]
    stored = results / "mlartifacts/digits" / run.info.run_id / "artifacts/report.html"
    for text in ("<html>first</html>", "<html>second</html>"):
        (results / "digits/report.html").write_text(text)
        said = [facts["status"] for facts in mirror.track_all(results, uri(results)).values()]
        assert said == ["unchanged", "unchanged", "logged"]
        assert stored.read_text() == text
    assert runs(uri(results))["digits/nasgd/seed_0"].info.run_id == run.info.run_id


def test_the_finished_page_stands_with_all_searches_and_a_stand_in_with_none(
    results: Path, no_pictures: None
) -> None:
    searches = [write_search(results, rounds=0, seed=seed) for seed in (0, 1)]
    page = results / "digits/report.html"
    page.write_text("<html>half-way</html>")
    mirror.track_pretrain(searches[0] / "pretrain", uri=uri(results), **PLACE)
    assert not list((results / "mlartifacts").rglob("report.html"))
    page.write_text(f"{STAND_IN}\n")
    mirror.track_final(searches[0] / "final", uri=uri(results), **PLACE)
    assert not list((results / "mlartifacts").rglob("report.html"))
    page.write_text("<html>all</html>")  # the mirror of the last search waits for the page
    mirror.track_final(searches[1] / "final", uri=uri(results), **PLACE | {"seed": 1})
    copies = list((results / "mlartifacts").rglob("report.html"))
    assert [copy.read_text() for copy in copies] == ["<html>all</html>"] * 2


def test_a_search_names_its_data_and_its_network_and_links_to_its_charts(
    results: Path, no_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = write_search(results, rounds=0)
    facts = {"source": "digits", "classes": ["0", "1"], "counts": {"train": [3, 4], "test": [1, 1]}}
    write_json(results / "digits/data/data.json", facts)

    from mlflow.entities import LoggedModelOutput

    def register(client: Any, source: Any, run: str, parent: str) -> None:
        experiment = client.get_run(run).info.experiment_id
        model = client.create_logged_model(experiment, "network", run, {}, {}, "classifier")
        client.log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])
        client.set_tag(run, "nasflow.model", "models:/digits/1")

    monkeypatch.setattr(mirror, "_register", register)
    for status in ("logged", "unchanged"):
        said = mirror.track_final(search / "final", uri=uri(results), **PLACE)
        assert (said["status"], said["error"]) == (status, None)
    found = runs(uri(results))
    parent, final = found["digits/nasgd/seed_0"], found["digits/nasgd/seed_0/final"]
    (data,) = parent.inputs.dataset_inputs
    assert data.dataset.name == "digits"
    assert json.loads(data.dataset.profile) == {"train": 7, "test": 2, "classes": 2}
    assert parent.data.tags["nasflow.model"] == "models:/digits/1"
    outputs = [[model.model_id for model in run.outputs.model_outputs] for run in (parent, final)]
    assert outputs[0] == outputs[1] and len(outputs[0]) == 1
    for run in (parent, final):
        assert f"/runs/{run.info.run_id}/model-metrics)" in parent.data.tags[mirror.NOTE]
    experiment = mirror._client(uri(results)).get_experiment_by_name("digits")
    view = json.loads(experiment.tags[run_list.TAG])
    assert view["selectedColumns"][0] == "metrics.`test_accuracy`"
    assert run_list.PAGE.format(experiment.experiment_id) in experiment.tags[mirror.NOTE]
    ((_, address),) = serving.pages(results / "mlflow.db", "http://h")
    assert address.endswith("&viewStateShareKey=nasflow")


def _changed(results: Path, artifact_uri: str) -> None:
    """Let the database say that the files of the pretraining stand elsewhere and are old."""
    with closing(sqlite3.connect(results / "mlflow.db")) as connection:
        change = "UPDATE runs SET artifact_uri = ? WHERE name = 'pretrain'"
        assert connection.execute(change, (artifact_uri,)).rowcount == 1
        connection.execute("UPDATE tags SET value = 'old' WHERE key = 'nasflow.digest'")
        connection.commit()


@pytest.mark.parametrize(
    "place",
    [
        "mlflow-artifacts:/{victim}/thesis/artifacts",
        "mlflow-artifacts:/../../victim/thesis/artifacts",
        "mlflow-artifacts:/digits/link/thesis/artifacts",
        "mlflow-artifacts://host/{victim}/thesis/artifacts",
        "mlflow-artifacts:/digits/thesis/artifacts",
        "mlflow-artifacts:/digits",
        "file://{victim}/thesis/artifacts",
        "{victim}/thesis/artifacts",
    ],
)
def test_a_database_that_leads_elsewhere_deletes_and_writes_nothing(
    place: str, results: Path, no_pictures: None
) -> None:
    stage = write_training(results / "digits/nasgd/seed_0/pretrain", "pretrain", STARTED, 0.9)
    mirror.track_pretrain(stage, uri=uri(results), **PLACE)
    victims = [results.parent / "victim/thesis/deep", results / "mlartifacts/digits/thesis/deep"]
    for victim in victims:
        victim.mkdir(parents=True)
        (victim / "chapter.tex").write_text("years")
    (results / "mlartifacts/digits/link").symlink_to(results.parent / "victim")
    before = {path for victim in victims for path in victim.parent.rglob("*")}
    _changed(results, place.format(victim=results.parent / "victim"))
    facts = mirror.track_pretrain(stage, uri=uri(results), **PLACE)
    assert facts["status"] == "pending"
    assert "expected" in facts["error"]
    assert {path for victim in victims for path in victim.parent.rglob("*")} == before


def test_a_folder_of_artifacts_that_is_a_link_is_refused(results: Path, no_pictures: None) -> None:
    stage = write_training(results / "digits/nasgd/seed_0/pretrain", "pretrain", STARTED, 0.9)
    (results.parent / "victim").mkdir()
    (results / "mlartifacts").symlink_to(results.parent / "victim")
    facts = mirror.track_pretrain(stage, uri=uri(results), **PLACE)
    assert "mlartifacts: a symbolic link" in facts["error"]
    assert not list((results.parent / "victim").iterdir())


def test_links_and_unknown_files_of_a_stage_are_not_copied(
    results: Path, no_pictures: None
) -> None:
    stage = write_training(results / "digits/nasgd/seed_0/pretrain", "pretrain", STARTED, 0.9)
    secret = results.parent / "id_rsa"
    secret.write_text("SECRET KEY")
    (stage / "notes.json").symlink_to(secret)
    (stage / "mine.json").write_text("SECRET KEY")
    assert mirror.track_pretrain(stage, uri=uri(results), **PLACE)["status"] == "logged"
    (stage / "images.json").symlink_to(secret)
    facts = mirror.track_pretrain(stage, uri=uri(results), **PLACE)
    assert facts["status"] == "pending"
    assert "images.json: a symbolic link" in facts["error"]
    copies = [path for path in (results / "mlartifacts").rglob("*") if path.is_file()]
    assert copies
    assert not [path for path in copies if b"SECRET" in path.read_bytes()]


def test_a_report_that_is_a_link_is_not_copied(results: Path, no_pictures: None) -> None:
    search = write_search(results, rounds=0)
    (results.parent / "id_rsa").write_text("SECRET KEY")
    (results / "digits/report.html").symlink_to(results.parent / "id_rsa")
    facts = mirror.track_final(search / "final", uri=uri(results), **PLACE)
    assert "report.html: a symbolic link" in facts["error"]
    assert not list((results / "mlartifacts").rglob("report.html"))


def test_a_database_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    stage = write_training(tmp_path / "digits/nasgd/seed_0/pretrain", "pretrain", STARTED, 0.9)
    with closing(sqlite3.connect(tmp_path / "browser.sqlite")) as connection:
        connection.execute("CREATE TABLE bookmarks (name TEXT)")
        connection.commit()
    before = (tmp_path / "browser.sqlite").read_bytes()
    where = f"sqlite:///{tmp_path / 'browser.sqlite'}"
    facts = mirror.track_pretrain(stage, uri=where, **PLACE)
    assert "a database of another program, with tables such as 'bookmarks'" in facts["error"]
    assert (tmp_path / "browser.sqlite").read_bytes() == before
    with pytest.raises(ValueError, match="a database of another program"):
        server.local(where)


def test_an_address_with_a_password_is_refused_and_not_shown(tmp_path: Path) -> None:
    for call in (mirror.track_all, lambda path, where: server.local(where)):
        with pytest.raises(ValueError, match=r"http://\*\*\*@server") as error:
            call(tmp_path, "http://me:S3CRET@server")
        assert "S3CRET" not in str(error.value)
