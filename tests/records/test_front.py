"""A front is read as it was written, and a damaged or foreign one is told in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fronts import SIZES, row, write_front
from places import GOLDEN

from nasflow.config.kinds import Stored
from nasflow.records.front import found_network, front, table
from nasflow.storage.files import CorruptFile, read_json, write_json


@pytest.fixture
def search(tmp_path: Path) -> Path:
    return write_front(tmp_path / "digits/nasgd/seed_0")


def change(search: Path, number: int, **facts: Any) -> None:
    """Give a network of the front other facts; None removes one."""
    path = search / "front/front.json"
    record = json.loads(path.read_text())
    told = record["networks"][number - 1] | facts
    record["networks"][number - 1] = {k: v for k, v in told.items() if v is not None}
    write_json(path, record)


def test_every_figure_of_the_record_is_read(search: Path) -> None:
    found = front(search)
    assert found is not None
    assert (found.validation_images, found.test_images, len(found.networks)) == (200, 400, 5)
    for number, network in enumerate(found.networks, 1):
        expected = row(number, SIZES[number - 1], number == 5)
        told = network._asdict() | {"index": network.number}
        assert told.pop("folder") == search / expected["folder"]
        for key in told.keys() & expected.keys():
            assert told[key] == expected[key], key
        assert network.cost("flash", Stored.FLOAT32) == expected["flash_float32"]
        assert network.cost("flops", Stored.FLOAT32) == expected["flops"]
    assert table(search).startswith(b"index,name\n1,base\n")


def test_a_search_without_a_front_has_none_and_its_network_stands_for_itself() -> None:
    search = GOLDEN / "nasgd/seed_0"
    assert front(search) is None
    alone, metrics = found_network(search), read_json(search / "final/metrics.json")
    assert alone is not None and len(alone.networks) == 1
    assert alone.networks[0].validation_accuracy == metrics["validation_accuracy"]
    assert alone.networks[0].parameters == metrics["parameters"]
    assert alone.networks[0].cost("latency", Stored.INT8) is None  # an earlier nasflow wrote it
    assert alone.networks[0].folder == search / "final"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("folder", "../../elsewhere"), ("folder", "/etc"), ("folder", "front/network_1/../..")),
        *(("validation_accuracy", 1.5), ("parameters", -1)),
        *(("latency_int8", -0.1), ("name", 7), ("found", "yes")),
    ],
)
def test_a_value_that_cannot_be_is_named(search: Path, key: str, value: Any) -> None:
    change(search, 2, **{key: value})
    with pytest.raises(CorruptFile, match=rf"front\.json: networks\.1\.{key}[^\n]+; rerun"):
        front(search)


def test_a_figure_that_is_missing_is_named_where_it_is_needed(search: Path) -> None:
    change(search, 1, latency_int8=None)
    found = front(search)
    assert found is not None and found.networks[0].latency_int8 is None
    change(search, 1, validation_accuracy=None)
    with pytest.raises(CorruptFile, match=r"front\.json: no key 'validation_accuracy'"):
        front(search)


def test_damage_is_noticed(search: Path) -> None:
    path = search / "front/front.json"
    change(search, 2, folder="front/network_1")
    with pytest.raises(CorruptFile, match="two networks in one folder"):
        front(search)
    path.write_text(path.read_text().replace("3100", "3101"))
    with pytest.raises(CorruptFile, match="does not fit its sha256"):
        front(search)
    write_front(search)
    (search / "front/front.csv").write_text("index,name\n")
    with pytest.raises(CorruptFile, match=r"front\.csv"):
        table(search)


def test_a_front_that_is_older_than_the_final_training_is_not_used(tmp_path: Path) -> None:
    search = tmp_path / "digits/nasgd/seed_0"
    shutil.copytree(GOLDEN / "nasgd/seed_0", search)
    write_front(search)
    assert front(search) is not None
    change(search, 5, test_accuracy=0.5)
    with pytest.raises(CorruptFile, match="test_accuracy of the found network is not"):
        front(search)
