"""A stage to mirror has a title and a list of files."""

from __future__ import annotations

import shutil
from pathlib import Path

from mirrored import write_search

from nasflow.tracking import pictures, source


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


def test_prune_rounds_stand_behind_the_rounds_of_the_search(tmp_path: Path) -> None:
    search = write_search(tmp_path / "results", rounds=1)
    shutil.copytree(search / "search/round_1", search / "prune/round_1")
    found = list(source.found(tmp_path / "results"))
    names = [one.folder.relative_to(search).as_posix() for one in found]
    assert names == ["pretrain", "search/round_1", "prune/round_1", "final"]
    assert found[2].title == found[1].title.replace("round 01", "prune 01")
    assert found[2].search == search and found[2].pruning and not found[1].pruning
    assert pictures._before(found[2]) == search / "search/winner"
    assert pictures._before(found[1]) == search / "pretrain/network"


def test_linked_searches_are_mirrored_and_copies_are_not(tmp_path: Path) -> None:
    results = tmp_path / "results"
    search = write_search(results, rounds=1)
    keys = [stage.key for stage in source.found(results)]
    for name in ("seed_0_old", "seed_0 (copy)", "seed_00"):
        shutil.copytree(search, search.with_name(name))
    shutil.copytree(search.parent, search.parent.with_name(f"{search.parent.name} (copy)"))
    shutil.copytree(search / "search/round_1", search / "search/round_1_bak")
    assert [stage.key for stage in source.found(results)] == keys
    (tmp_path / "store").mkdir()
    search.parents[1].rename(tmp_path / "store/moved")
    search.parents[1].symlink_to(tmp_path / "store/moved")
    assert [stage.key for stage in source.found(results)] == keys


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
