"""`nasflow show` says what stands in the files, to people and to programs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fronts import write_front
from places import GOLDEN

from nasflow.__main__ import main
from nasflow.storage.files import read_json, write_json

SEARCH = GOLDEN / "nasgd/seed_0"


Say = Callable[..., str]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Return what `nasflow show` prints, or its complaint where `code` is not 0."""

    def run(*words: object, code: int = 0) -> str:
        assert main(["show", *map(str, words)]) == code
        out, err = capsys.readouterr()
        return out if code == 0 else err

    return run


def test_an_experiment_is_shown_as_one_row_for_each_search(say: Say) -> None:
    lines = say(GOLDEN).splitlines()
    assert lines[0] == "schema_1"
    assert [*filter(None, lines[-1].split(" "))] == [
        "nasgd",
        "0",
        "finished",
        "1",
        "0",
        "211",
        "0.01",
        "25.0",
        "%",
        "75.00",
        "%",
        "1",
        "s",
    ]
    assert say(GOLDEN.parent) == say(GOLDEN)


def test_the_folder_around_results_will_do(say: Say, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path / "results/schema_1")
    assert say(tmp_path) == say(GOLDEN)


def test_prune_rounds_stand_behind_those_of_the_search(say: Say, tmp_path: Path) -> None:
    search = tmp_path / "results/tiny/nasgd/seed_0"
    shutil.copytree(SEARCH, search)
    shutil.copytree(search / "search/round_1", search / "prune/round_1")
    status = search / "prune/round_1/status.json"
    write_json(status, {**read_json(status), "stage": "prune_round"})
    text = say(search)
    assert text.index("round 1") < text.index("prune 1") < text.index("final")
    assert "prune round 1: " in say(search / "prune/round_1")
    assert len(json.loads(say(search, "--json"))["pruned"]) == 1


def test_a_search_is_its_path(say: Say) -> None:
    text = say(SEARCH)
    assert text == say(SEARCH / "search")
    assert "1 round, 0 moved the centre; ended by budget.rounds" in text
    for word in ("g0", "round 1", "- (max_steps)", "final", "test error 75.00 % on 16 images"):
        assert word in text
    whole = say(SEARCH, "--all")
    children = json.loads(say(SEARCH / "search/round_1", "--json"))["nodes"][1:]
    assert children
    for node in children:
        assert node["morphism"] in whole and node["morphism"] not in text


def test_the_front_of_a_search_is_a_table_below_it(say: Say, tmp_path: Path) -> None:
    search = Path(shutil.copytree(SEARCH, tmp_path / "digits/nasgd/seed_0"))
    before = say(search)
    write_front(search)
    assert say(search).startswith(before.rstrip()) and "front" not in before
    front = say(search).splitlines()[-7:]
    assert front[0] == "front: 5 networks (`nasflow pick` chooses one)"
    assert front[3].split() == [
        *("prune", "2", "3,100", "0.13", "3,140", "1,600", "0.018", "ms"),
        *("93.5", "%", "86.5", "%", "86.0", "%"),
    ]
    assert front[-1].startswith("round 3 (found)")
    assert len(json.loads(say(search, "--json"))["front"]) == 5


def test_a_search_at_work_shows_what_has_ended(say: Say, tmp_path: Path) -> None:
    search = tmp_path / "results/mine/nasgd/seed_3"
    shutil.copytree(SEARCH / "pretrain", search / "pretrain")
    (search / "search/round_1").mkdir(parents=True)
    text = say(search)
    assert "mine nasgd seed 3: 0 rounds" in text and "not ended" in text and "round 1" not in text


def test_a_round_names_its_children_with_the_fullest_first(say: Say) -> None:
    text = say(SEARCH / "search/round_1")
    nodes = json.loads(say(SEARCH / "search/round_1", "--json"))["nodes"]
    rows = [line.split() for line in text.splitlines()[2:-1]]
    shares = {str(node["node"]): node["share"] for node in nodes}
    assert [row[0] for row in rows] == sorted(shares, key=lambda n: -shares[n])
    assert "no child won; ended after 6 steps, search.max_steps" in text


def test_a_network_by_any_of_its_names(say: Say) -> None:
    stem = SEARCH / "final/network"
    text = say(stem)
    for name in (stem.parent, f"{stem}.json", f"{stem}.safetensors"):
        assert say(name) == text
    assert "conv_1" in text and "211 parameters" in text and "fingerprint" in text
    assert "conv_1" in say(f"{stem}.architecture.json")
    nodes = json.loads(say(stem, "--json"))["nodes"]
    assert [node["op"] for node in nodes] == ["image", "conv", "pool", "conv", "head"]


def test_what_is_broken_or_missing_is_one_line(say: Say, tmp_path: Path) -> None:
    assert "nothing there" in say(tmp_path / "none", code=2)
    assert "no checkpoint there; it is a folder" in say(tmp_path, code=2)
    shutil.copytree(SEARCH / "final", tmp_path / "final")
    (tmp_path / "final/network.architecture.json").write_text("{}")
    for path in (tmp_path / "final", tmp_path / "final/network.architecture.json"):
        assert say(path, code=3).count("\n") == 1


def test_names_are_no_markup_and_no_commands_for_the_terminal(say: Say, tmp_path: Path) -> None:
    folder = tmp_path / "[red]\x1b[2J"
    shutil.copytree(GOLDEN, folder)
    assert say(folder).startswith("[red]\\x1b[2J\n")
