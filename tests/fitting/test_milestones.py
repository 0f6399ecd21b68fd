"""Each record that a stage writes becomes one line in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nasflow.fitting.milestones import (
    Milestones,
    compared,
    ended,
    evaluated,
    images,
    started,
    trained,
)
from nasflow.storage.files import write_json

DATA = {"counts": {"train": [700, 594], "validation": [72, 72], "test": [200, 159]}}
DATA |= {"height": 8, "width": 9, "classes": ["a", "b"]}
ROUND: dict[str, Any] = {"round": 1, "children": 3, "parameters": 12345, "winner": 2}
ROUND |= {"morphism": "chain6", "validation_accuracy": 0.8611}


def made(portfolio: list[str]) -> dict[str, Any]:
    """A round of these networks."""
    return ROUND | {"made": {"config": {"base": {"portfolio": portfolio}}}}


def test_records_in_words() -> None:
    assert images(DATA).line == (
        "1,294 images to train on, 144 to choose by, 359 for the test; 8 x 9 pixels, 2 classes"
    )
    assert started({"steps": 0}) is None
    found = started({"steps": 3, "validation_accuracy": 0.5})
    assert found is not None and found.line == (
        "the base network is trained; 50.0% of the validation images right"
    )
    assert ended(made(["chain7", "chain6"])).line == (
        "round 1: chain6 was chosen among 4 networks; 86.1% of the validation images right"
    )
    first = made(["chain7"]) | {"winner": 0, "morphism": ""}
    assert ended(first).line.startswith("round 1: chain7 was chosen among 4 networks")
    assert ended(made([])).line.startswith(
        "round 1: chain6 made it better; now 12,345 parameters; 86.1%"
    )
    stayed = made([]) | {"winner": 0, "morphism": "", "validation_accuracy": None}
    assert ended(stayed).line == "round 1: none of 3 changes made it better"
    assert trained({"steps": 1274, "epochs": 57.94, "seconds": 71.2}).line == (
        "1,274 steps, 57.9 passes over the images, in 1:11"
    )
    status = {"steps": 9, "epochs": 1.0, "seconds": 2.0}
    assert trained(status, "network 2 of the front").line.startswith("network 2 of the front: 9 ")
    front = compared({"networks": [{"parameters": 900}, {"parameters": 5000}]})
    assert front.line == "2 networks of 900 to 5,000 parameters are compared in front.csv"
    tests = evaluated({"test_error": 0.0028, "test_images": 359})
    assert tests.line == "99.72% of 359 test images are named right"


def test_a_stage_is_told_once_and_again_when_it_ran_again(tmp_path: Path) -> None:
    results = tmp_path / "results"
    seen = Milestones(results, several=False)
    assert seen.before == [] and list(seen.new()) == []
    write_json(results / "data/data.json", DATA | {"channels": 1, "mean": [0.5], "std": [0.2]})
    search = results / "nasgd/seed_0/search"
    write_json(search / "round_1/status.json", made([]))
    assert [one.stage for one in seen.new()] == [1, 3]
    assert seen.best == 0.8611
    (search / "round_1/status.json").touch()
    assert list(seen.new()) == []
    write_json(search / "round_1/status.json", made([]) | {"validation_accuracy": 0.5})
    assert [one.accuracy for one in seen.new()] == [0.5]
    assert seen.best == 0.8611
    later = Milestones(results, several=True)
    assert [one.line[:18] for one in later.before] == ["1,294 images to tr", "nasgd, seed 0: rou"]


def test_a_damaged_record_waits_until_it_is_whole(tmp_path: Path) -> None:
    seen = Milestones(tmp_path, several=False)
    file = tmp_path / "nasgd/seed_0/search/round_1/status.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    assert list(seen.new()) == []
    file.unlink()
    write_json(file, made([]))
    assert len(list(seen.new())) == 1
