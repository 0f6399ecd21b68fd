"""A network to begin with that does not fit the board is known before any work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from places import GOLDEN, ROOT

from nasflow.__main__ import main
from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse
from nasflow.config.search import MORPHISMS
from nasflow.data.first_network import check_bounds
from nasflow.data.prepared import WHOLE, problems
from nasflow.storage.files import write_json

DIGITS = ((1, 8, 8), 10)  # channels, height and width, and classes
TIGHT = {"constraints": {"max_flash": 6000, "max_ram": 600}}


def lines(**sections: Any) -> list[str]:
    """The problems of an experiment on the digits."""
    try:
        check_bounds(parse(Experiment, {"budget": {"rounds": 1}, **sections}), *DIGITS)
    except ValueError as error:
        return str(error).split("\n")
    return []


def test_the_base_network_must_keep_the_bounds() -> None:
    first, second = lines(search=TIGHT)
    assert first.startswith(
        "search.constraints.max_flash: 6000; the base network (0:image 1:conv8k3 2:pool 3:conv16k3 "
        "4:pool 5:conv32k3 6:head) takes 6,680 bytes of weights in int8; raise the bound, begin"
    )
    assert second.startswith("search.constraints.max_ram: 600; the base network (")
    assert not lines(search={"constraints": {"max_flash": 6680, "max_ram": 640}})
    assert not lines(search=TIGHT, base={"widths": [4, 8]})


def test_a_search_that_prunes_and_one_without_rounds_may_begin_above_a_bound() -> None:
    only = {"morphisms": dict.fromkeys(MORPHISMS, 0.0) | {"narrow": 1.0}}
    assert not lines(search=TIGHT | only)
    assert not lines(search=TIGHT, algorithms=["none", "chain6"])
    assert not lines(search=TIGHT, budget={"rounds": 0})
    assert len(lines(search=TIGHT, algorithms=["none", "nash"])) == 2


def test_the_first_network_of_a_portfolio_must_keep_the_bounds_and_a_race_needs_two() -> None:
    start = {"pretrain": {"epochs": 0.0}, "base": {"portfolio": ["resnet20", "chain7"]}}
    room = {"search": {"constraints": {"max_flash": 300_000}}}
    assert not lines(**start, **room)
    (line,) = lines(**start, **room, algorithms=["race"])
    assert line == (
        "base.portfolio: resnet20, chain7; race expects two networks or more that keep the bounds "
        "in search.constraints"
    )
    start["base"]["portfolio"].reverse()
    (line,) = lines(**start, **room)
    assert "; chain7, the first network of base.portfolio, takes 57" in line


def test_a_checkpoint_must_keep_the_bounds() -> None:
    stem = str(GOLDEN / "nasgd/seed_0/final/network")
    (line,) = lines(base={"network": stem}, search={"constraints": {"max_flash": 10}})
    assert line.startswith(f"search.constraints.max_flash: 10; base.network ({stem}) takes ")
    assert not lines(base={"network": "gone/network"}, search=TIGHT)  # its stage reports it


def test_an_ablation_has_bounds_of_its_own() -> None:
    compare = {"ablations": {"tiny": {"search": TIGHT}}}
    assert len(lines(compare=compare)) == 2


def test_prepared_images_tell_it_before_the_workflow_runs_anything(tmp_path: Path) -> None:
    facts = {"counts": {"train": [200], "validation": [90]}, "classes": ["a"] * 10}
    write_json(tmp_path / "data.json", facts | {"channels": 1, "height": 8, "width": 8})
    found = parse(Experiment, {"budget": {"rounds": 1}, "search": TIGHT})
    assert len(problems(found, tmp_path)) == 2


def test_check_reads_a_board_after_the_own_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"photos/{name}/{i}.png")
    text = "experiment: mine\ndata: {source: folder, train: photos, size: SIZE}\n"
    board = str(ROOT / "config/boards/arduino_nano_33_ble.yaml")
    for size, code in ((64, 0), (128, 2)):
        Path("mine.yaml").write_text(text.replace("SIZE", str(size)))
        assert main(["check", "mine.yaml", board]) == code
    out, err = capsys.readouterr()
    assert "no problem found" in out
    assert err.startswith(f"nasflow: mine.yaml, {board}: search.constraints.max_ram: 131072; the")
    assert "takes 180,224 bytes of maps at once in int8; raise the bound, begin with" in err
    assert err.count("\n") == 1


def test_prepare_ends_early_and_names_the_bound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {"budget": {"rounds": 1}, "search": TIGHT, "data": {"source": "digits"}}
    monkeypatch.setenv(WHOLE, json.dumps(whole))
    words = ["prepare", "--config", json.dumps(whole["data"]), "--out", str(tmp_path / "data")]
    assert main(words) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if "constraints" in line]
    assert len(told) == 2 and all("the base network (" in line for line in told)
    assert (tmp_path / "data/data.json").exists()
