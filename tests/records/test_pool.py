"""Networks of several searches compete where their accuracies come from the same images."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fronts import write_front
from places import GOLDEN

from nasflow.records.pool import pool
from nasflow.storage.files import read_json, write_json


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The folder of an experiment whose search has a front, and of one without."""
    write_front(tmp_path / "results/one/nasgd/seed_0")
    shutil.copytree(GOLDEN, tmp_path / "results/two")
    return tmp_path / "results"


def test_fronts_and_single_networks_of_all_folders_compete(results: Path) -> None:
    found = pool([results / "one", results / "two"])
    assert len(found.networks) == 6 and not found.notes
    names = list(found.names.values())
    assert names[0] == "one/nasgd/seed_0 base" and names[-1] == "two/nasgd/seed_0 found"
    assert len(set(names)) == 6
    assert pool([results]).networks == found.networks
    assert next(iter(pool([results / "one"]).names.values())) == "nasgd/seed_0 base"


def test_a_search_that_is_named_twice_competes_once(results: Path) -> None:
    assert len(pool([results / "one", results / "one/nasgd/seed_0"]).networks) == 5


def test_searches_on_other_images_do_not_compete(results: Path) -> None:
    shutil.copytree(GOLDEN, results / "three")
    record = results / "three/data/data.json"
    facts = read_json(record)
    others = facts["files"] | {"validation.safetensors": "0" * 64}
    write_json(record, facts | {"files": others})
    with pytest.raises(ValueError, match=r"two and .*three have different validation images"):
        pool([results / "two", results / "three"])


def test_a_network_that_was_trained_on_the_validation_images_takes_no_part(results: Path) -> None:
    status = results / "two/nasgd/seed_0/final/status.json"
    made = {"config": {"final": {"use_validation": True}}}
    write_json(status, read_json(status) | {"made": made})
    found = pool([results])
    assert len(found.networks) == 5
    assert "final.use_validation" in found.notes[0] and "two/nasgd/seed_0" in found.notes[0]


def test_one_network_alone_is_no_choice(results: Path) -> None:
    with pytest.raises(ValueError, match=r"no front there, and 1 finished network.*final\.front"):
        pool([results / "two"])
    shutil.copytree(GOLDEN / "nasgd/seed_0", results / "two/nasgd/seed_1")
    assert len(pool([results / "two"]).networks) == 2
    with pytest.raises(ValueError, match="nothing there"):
        pool([results / "none"])
