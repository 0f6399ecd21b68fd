"""A stage to mirror has a title and a list of files."""

from __future__ import annotations

import shutil
from pathlib import Path

from mirrored import write_search

from nasflow.tracking import source


def test_a_title_and_the_files_name_the_stage(tmp_path: Path) -> None:
    search = write_search(tmp_path / "results", rounds=1)
    (search / "final" / "tracking.json").write_text("{}")
    (search / "final" / "network.safetensors").write_bytes(b"weights")
    found = list(source.found(tmp_path / "results"))
    winner = found[1].status["morphism"]
    titles = [source.title for source in found]
    assert titles == ["pretrain", f"round 01 · {winner}", "final training"]
    names = {path.name for path in found[2].files}
    assert not names & {"tracking.json", "network.safetensors"}
    assert {"metrics.json", "history.parquet", "summary.txt", "network.json"} <= names


def test_a_folder_of_an_experiment_or_a_search_works_too_and_copies_are_left_alone(
    tmp_path: Path,
) -> None:
    results = tmp_path / "results"
    search = write_search(results, rounds=1)
    shutil.copytree(search, search.with_name("seed_0_old"))
    shutil.copytree(search / "search/round_1", search / "search/round_1_bak")
    keys = [one.key for one in source.found(results)]
    assert len(keys) == 3
    for folder in (results / "digits", results / "digits/nasgd", search):
        assert [one.key for one in source.found(folder)] == keys
    assert list(source.found(search / "search")) == []
    assert list(source.found(tmp_path / "none")) == []
