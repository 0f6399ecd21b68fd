"""What prepared images do not allow is known before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse
from nasflow.config.section import plain
from nasflow.data.prepared import lowered, problems
from nasflow.storage.files import write_json
from nasflow.storage.made import made, write_made_data


def experiment(tmp_path: Path, **sections: object) -> Experiment:
    data = {"source": "folder", "train": str(tmp_path / "photos"), "size": 16}
    return parse(Experiment, {"budget": {"rounds": 1}, "data": data, **sections})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The record of 43 train and 5 validation images, whose pictures are gone."""
    record = {"counts": {"train": [22, 21], "validation": [3, 2], "test": [6, 6]}}
    write_json(tmp_path / "data/data.json", record)
    write_made_data(
        tmp_path / "data", made("prepare", json.dumps(plain(experiment(tmp_path).data)))
    )
    return tmp_path / "data"


def test_a_typo_in_any_batch_size_is_known(folder: Path, tmp_path: Path) -> None:
    assert problems(experiment(tmp_path), folder) == []
    for name in ("pretrain", "search", "final"):
        wrong = experiment(tmp_path, **{name: {"batch_size": 800}})
        assert problems(wrong, folder) == [
            f"{name}.batch_size: 800; expected at most the 43 images there are"
        ]
    assert problems(wrong, tmp_path / "nothing") == []


def test_a_search_that_is_not_wanted_needs_no_batch(tmp_path: Path) -> None:
    sections = {"search": {"batch_size": 800}, "budget": {"rounds": 0}}
    assert not [
        line for line in lowered(experiment(tmp_path, **sections), 43, 5) if "search" in line
    ]


def test_an_ablation_with_a_batch_that_is_too_large_is_known(tmp_path: Path) -> None:
    compare = {"ablations": {"wide": {"search": {"batch_size": 800}}}}
    with pytest.raises(ValueError, match=r"search\.batch_size: 800"):
        lowered(experiment(tmp_path, compare=compare), 43, 5)


def test_data_that_cannot_be_made_again_are_not_asked_for(folder: Path, tmp_path: Path) -> None:
    """The pictures are gone: another size is refused, unless the pictures come back."""
    data = {"source": "folder", "train": str(tmp_path / "photos"), "size": 20}
    other = parse(Experiment, {"budget": {"rounds": 1}, "data": data})
    (line,) = problems(other, folder)
    assert line.startswith("data.size: 20; expected 16") and "no longer there" in line
    (tmp_path / "photos/a").mkdir(parents=True)
    (tmp_path / "photos/a/1.png").write_bytes(b"some")
    assert problems(other, folder) == []
