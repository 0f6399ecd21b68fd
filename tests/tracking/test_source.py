"""A stage to mirror has a title and a list of files."""

from __future__ import annotations

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
