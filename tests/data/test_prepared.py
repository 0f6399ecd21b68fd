"""What prepared images do not allow is known before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nasflow.architecture.templates import chain
from nasflow.config.data import of_images
from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse
from nasflow.data.prepared import check_pools, lowered, problems
from nasflow.storage.files import write_json
from nasflow.storage.made import made, write_made_data


def experiment(tmp_path: Path, **sections: object) -> Experiment:
    data = {"source": "folder", "train": str(tmp_path / "photos"), "size": 16}
    return parse(Experiment, {"budget": {"rounds": 1}, "data": data, **sections})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The record of 43 train and 5 validation images, whose pictures are gone."""
    counts = {"train": [22, 21], "validation": [3, 2], "test": [6, 6]}
    record = {"counts": counts, "height": 16, "width": 18, "classes": ["a", "b"]}
    write_json(tmp_path / "data/data.json", record)
    write_made_data(
        tmp_path / "data", made("prepare", json.dumps(of_images(experiment(tmp_path).data)))
    )
    return tmp_path / "data"


def test_other_class_weights_need_no_other_images_but_known_classes(
    folder: Path, tmp_path: Path
) -> None:
    same = of_images(experiment(tmp_path).data)
    for weights, wanted in (("balanced", 0), ({"b": 2.0}, 0), ({"c": 2.0}, 1)):
        changed = experiment(tmp_path, data={**same, "class_weights": weights})
        lines = problems(changed, folder)
        assert len(lines) == wanted and all("'a', 'b'" in line for line in lines)


def test_an_unknown_class_of_own_pictures_is_known_before_they_are_prepared(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "photos" / name / f"{i}.png").write_bytes(b"never decoded here")
    for weights, wanted in (("balanced", []), ({"cat": 2.0}, []), ({"cot": 2.0}, ["cot"])):
        same = of_images(experiment(tmp_path).data)
        found = problems(
            experiment(tmp_path, data={**same, "class_weights": weights}), tmp_path / "data"
        )
        assert [line.split(":")[0] for line in found] == [f"data.class_weights.{n}" for n in wanted]


def test_a_typo_in_any_batch_size_is_known(folder: Path, tmp_path: Path) -> None:
    assert problems(experiment(tmp_path), folder) == []
    for name in ("pretrain", "search", "final"):
        wrong = experiment(tmp_path, **{name: {"batch_size": 800}})
        assert problems(wrong, folder) == [
            f"{name}.batch_size: 800; expected at most the 43 images there are"
        ]
    assert problems(wrong, tmp_path / "nothing") == []


def test_a_base_network_with_too_many_pools_is_known(folder: Path, tmp_path: Path) -> None:
    deep = {"widths": [4] * 6}
    for sections in (
        {"base": {"widths": [4] * 5}},
        {"base": deep | {"portfolio": ["chain6", "chain7"]}, "pretrain": {"epochs": 0}},
        {"base": deep, "algorithms": ["chain6"]},
    ):
        assert problems(experiment(tmp_path, **sections), folder) == []
    (line,) = problems(experiment(tmp_path, base=deep), folder)
    assert line.startswith("base.widths: 6 convolutions with 5 pools; expected at most 5 for")


@pytest.mark.parametrize("side", [1, 2, 3, 7, 8, 15, 32])
def test_as_many_pools_are_allowed_as_can_be_built(side: int, tmp_path: Path) -> None:
    most = side.bit_length()
    chain((1,) * most, 1, (1, side, side + 1), 2)
    check_pools(experiment(tmp_path, base={"widths": [1] * most}), side)
    with pytest.raises(ValueError, match="pool"):
        chain((1,) * (most + 1), 1, (1, side, side + 1), 2)


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
