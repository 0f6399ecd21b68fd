"""The MLflow mirror says what the files say and can be made again."""

from __future__ import annotations

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
from nasflow.storage.tables import read_table
from nasflow.tracking import mirror

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
        assert said == ["logged", "unchanged", "unchanged"]
        assert stored.read_text() == text
    assert runs(uri(results))["digits/nasgd/seed_0"].info.run_id == run.info.run_id
