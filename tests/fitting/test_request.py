"""The wish of a person: the same one goes on, another one plans anew, other images are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from image_files import pictures

from nasflow.fitting.request import (
    NAME,
    Request,
    Standing,
    request,
    save,
    settings,
    standing,
    with_validation,
)
from nasflow.storage.files import CorruptFile

NONE = ("minutes", "test", "size", "algorithm", "seeds", "device", "cores", "with_baseline")
FILES = {"config.yaml": "a: 1\n", "profiles/default/profile.yaml": "x\n"}


def asked(photos: str = "digits", own: tuple[str, ...] = (), **given: Any) -> Request:
    return request(photos, Path("mine"), dict.fromkeys(NONE) | {"cores": 2} | given, own)


def test_flags_become_a_choice(tmp_path: Path) -> None:
    for part in ("train", "test"):
        pictures(tmp_path / part, {"a": [(8, 8)], "b": [(8, 8)]})
    found = asked(str(tmp_path), minutes=30.0, size=64, seeds=2, with_baseline=True)
    chosen = found.chosen
    assert (chosen.source, chosen.train) == ("folder", tmp_path / "train")
    assert (chosen.test, chosen.size, chosen.seeds) == (tmp_path / "test", 64, 2)
    assert (chosen.baseline, chosen.waves, chosen.threads) == ("chain7", 2, 1)
    assert asked(str(tmp_path), test=str(tmp_path / "train")).chosen.test == tmp_path / "train"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"minutes": 1.0}, "--minutes: 1; expected 2 to 10000"),
        ({"minutes": 3.0, "seeds": 3}, "--minutes: 3; expected 4 or more, since 3 trainings on 2"),
        ({"seeds": 0}, "--seeds: 0; expected 1 to 100"),
        ({"size": 2}, "--size: 2; expected 4 to 1024"),
        ({"test": "x"}, "--test: 'x'; --data digits has its own images"),
        ({"algorithm": "chain7", "with_baseline": True}, "--with-baseline: the same as"),
    ],
)
def test_wrong_flags_are_one_line(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")) as error:
        asked(**given)
    assert "\n" not in str(error.value)


def test_settings_are_nested() -> None:
    found = settings(["final.batch_size=64", "final.epochs=null", "seeds=[1, 2]", "a.b.c=x=y"])
    final = {"batch_size": 64, "epochs": None}
    assert found == {"final": final, "seeds": [1, 2], "a": {"b": {"c": "x=y"}}}
    own = asked(own=("final.batch_size=64",)).own_text
    assert own.endswith("final:\n  batch_size: 64\n")
    assert asked().own_text == ""


@pytest.mark.parametrize("text", ["final", "=3", "a b=1", "a=[", "x.=1"])
def test_wrong_settings_are_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="--set: ") as error:
        settings([text])
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="a was set to a value before"):
        settings(["a=1", "a.b=2"])


def test_the_same_wish_goes_on_and_another_one_plans_anew(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert standing(folder, asked()) is Standing.NEW
    save(folder, asked(minutes=5.0), FILES)
    assert standing(folder, asked(minutes=5.0)) is Standing.SAME
    assert standing(folder, asked(minutes=6.0)) is Standing.OTHER
    assert standing(folder, asked(minutes=5.0, own=("seeds=[1]",))) is Standing.OTHER
    save(folder, asked(own=("seeds=[1]",)), FILES | {"own.yaml": "b"})
    save(folder, asked(minutes=5.0), FILES)
    assert not (folder / "own.yaml").exists()


def test_what_would_be_lost_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    save(folder, asked(), FILES)
    with pytest.raises(ValueError, match="is about other images"):
        standing(folder, asked("cifar10"))
    (folder / "config.yaml").write_text("changed by hand")
    assert standing(folder, asked()) is Standing.SAME  # it goes on with the changed file
    with pytest.raises(ValueError, match=r"config\.yaml: changed since `nasflow fit` wrote it"):
        standing(folder, asked(minutes=6.0))
    (folder / NAME).write_text("{}")
    with pytest.raises(CorruptFile, match="damaged"):
        standing(folder, asked())
    (folder / NAME).unlink()
    with pytest.raises(ValueError, match="not made by `nasflow fit`"):
        standing(folder, asked())


def test_the_validation_images_of_a_front_are_not_trained_on() -> None:
    found = with_validation({"final": {"front": 5}, "seeds": [1]})
    assert found == {"final": {"use_validation": False, "front": 5}, "seeds": [1]}
    for own in ({}, {"final": {"front": 1}}, {"final": {"epochs": 2}}, {"final": {"front": "x"}}):
        assert with_validation(own) == own
    told = {"final": {"front": 5, "use_validation": True}}
    assert with_validation(told) == told, "it is refused, with its name"


def test_a_front_and_prune_rounds_take_seconds_beside_the_training() -> None:
    def seconds(*own: str, **given: Any) -> float:
        return asked(own=own, **given).programs

    front, pruned = ("final.front=4",), ("prune.rounds=3",)
    assert seconds() == seconds("final.front=1") == 0.0
    assert seconds(*front, *pruned) == seconds(*front) + seconds(*pruned) > seconds(*front) > 0.0
    assert seconds(*front, seeds=2) == 2.0 * seconds(*front)
