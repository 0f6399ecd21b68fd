"""A mirrored round has pictures, and they are the same bytes each time."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from fronts import SIZES, write_front
from mirrored import curve, runs, uri, write_network, write_search

from nasflow.architecture.templates import chain
from nasflow.tracking import mirror, pictures, source

pytestmark = pytest.mark.usefixtures("no_registry")


def test_a_round_brings_its_pictures_and_its_description_shows_them(results: Path) -> None:
    search = write_search(results, rounds=2, final=False)
    write_network(search / "search/round_2/winner", chain((4, 12), 3, (1, 8, 8), 10).to_json())
    facts = mirror.track_all(results, uri(results))
    found = runs(uri(results))
    run = found["digits/nasgd/seed_0/search/round_2"]
    folder = results / "mlartifacts/digits" / run.info.run_id / "artifacts"
    assert "conv 3×3 · 12" in (folder / "architecture.svg").read_text()
    titles = ["architecture", "particle shares", "total energy", "validation loss"]
    shown = sorted(path.name.split("+")[0] for path in (folder / "images").glob("*.png"))
    assert shown == [f"charts~{title}" for title in titles]
    assert len(list((folder / "images").glob("*+compressed.webp"))) == 4
    links = re.findall(r"get-artifact\?path=([^&]+)&run_uuid=(\w+)", run.data.tags[mirror.NOTE])
    assert {unquote(path) for path, _ in links} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.png")
    }
    assert {run_id for _, run_id in links} == {facts[run.data.tags["nasflow.key"]]["run_id"]}
    story = found["digits/nasgd/seed_0"].data.tags[mirror.NOTE]
    assert f"| [2](#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}) |" in story


def test_the_final_training_brings_the_front_as_table_charts_and_curves(results: Path) -> None:
    search = write_search(results, rounds=0)
    first = mirror.track_all(results, uri(results))["digits/nasgd/seed_0/final"]
    write_front(search)
    facts = mirror.track_all(results, uri(results))["digits/nasgd/seed_0/final"]
    assert facts["error"] is None and facts["run_id"] != first["run_id"]
    assert mirror.track_all(results, uri(results))["digits/nasgd/seed_0/final"]["status"] == (
        "unchanged"
    )
    run = runs(uri(results))["digits/nasgd/seed_0/final"]
    folder = results / "mlartifacts/digits" / run.info.run_id / "artifacts"
    for name in ("front.json", "front.csv"):
        assert (folder / name).read_bytes() == (search / "front" / name).read_bytes()
    shown = {path.name.split("+")[0] for path in (folder / "images").glob("*.png")}
    assert {f"charts~accuracy against {cost}" for cost in ("flash", "flops", "latency")} < shown
    flash = [parameters + 40 for _, _, parameters, *_ in SIZES]
    assert curve(uri(results), run, "front/flash_int8") == dict(enumerate(flash, 1))
    assert curve(uri(results), run, "front/validation_accuracy")[2] == 0.935
    note = run.data.tags[mirror.NOTE]
    assert "| prune 2 | 3,100 | 3,140 | 1,600 | 0.018 | 0.9350 | 0.8650 | 0.8600 |" in note
    assert "within one point of the best" in note


def test_pictures_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    write_search(tmp_path / "results", rounds=1)
    for each in source.found(tmp_path / "results"):
        first, again = (pictures.files(each, pictures.pictures(each)) for _ in range(2))
        assert first == again
        assert first
        assert all(content.startswith((b"\x89PNG", b"RIFF")) for content in first.values())
