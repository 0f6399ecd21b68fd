"""`nasflow pick` names a network within the bounds, and how to export it."""

from __future__ import annotations

import json
import random
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import foreign
import pytest
from fronts import write_front
from places import GOLDEN

from nasflow.__main__ import main
from nasflow.command.arguments import read
from nasflow.storage.files import write_json

Run = Callable[..., tuple[str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what `nasflow pick` prints on stdout and on stderr."""

    def call(*words: object, code: int = 0) -> tuple[str, str]:
        assert main(["pick", *map(str, words)]) == code
        out, err = capsys.readouterr()
        return out, err

    return call


@pytest.fixture
def search(tmp_path: Path) -> Path:
    return write_front(tmp_path / "my digits/nasgd/seed_0")


def test_the_chosen_network_is_marked_and_its_test_accuracy_is_told_after_it(
    run: Run, search: Path
) -> None:
    out, err = run(search.parents[1], "--max-flash", "10k")
    lines = out.splitlines()
    assert err == "" and lines[0] == "5 networks in int8; flash at most 10,000 bytes: 4 fit"
    assert [line[:24].strip() for line in lines if line.startswith("*")] == [
        "*  nasgd/seed_0 round 2"
    ]
    assert lines[-4:-1] == [
        "chosen: nasgd/seed_0 round 2, the highest validation accuracy",
        "test accuracy: 83.50% in float32, 83.00% in int8 on 400 images; the test images took no "
        "part in the choice",
        f"its files: {search}/front/network_4",
    ]
    table = out.split("chosen:")[0]
    assert "83.5" not in table and table.count("flash") == 3  # bound, column, the one that misses


def test_the_printed_command_exports_the_chosen_network(run: Run, search: Path) -> None:
    out, _ = run(search, "--min-accuracy", "93%", "--max-latency", "0.02")
    words = shlex.split(out.splitlines()[-1])
    assert words[:3] == ["nasflow", "export", f"{search}/front/network_2"]
    assert words[-2:] == ["--out", "my_digits_prune_2.onnx"] and "--int8" in words
    out, _ = run(search, "--precision", "float32")
    words = shlex.split(out.splitlines()[-1])
    assert "--int8" not in words and read(words[1:])[1]["network"] == search / "final"


def test_programs_read_json_that_tells_test_accuracy_of_the_chosen_network_only(
    run: Run, search: Path
) -> None:
    found = json.loads(run(search, "--min-accuracy", "0.96", "--json")[0])
    assert [row["chosen"] for row in found["networks"]] == [False, False, False, True, False]
    assert not [row for row in found["networks"] if "test_accuracy" in row]
    assert found["chosen"]["test_accuracy"] == pytest.approx(0.835)
    assert found["networks"][0]["broken"] == ["validation accuracy 87.00% below 96.00%"]
    out, err = run(search, "--max-ram", "1", "--json", code=1)
    assert json.loads(out)["chosen"] is None and err.count("\n") == 1


def test_where_no_network_fits_one_line_names_the_nearest(run: Run, search: Path) -> None:
    out, err = run(search, "--max-flash", "2KiB", "--min-accuracy", "0.9", code=1)
    assert out == ""
    assert err == (
        "nasflow: no network of 5 keeps all bounds; the nearest is nasgd/seed_0 base: validation "
        "accuracy 87.00% below 90.00%\n"
    )


def test_a_loss_by_eight_bits_is_told(run: Run, tmp_path: Path) -> None:
    search = write_front(tmp_path / "digits/nasgd/seed_0", validation_accuracy_int8=0.5)
    assert "eight bits cost it 37.0 points of validation accuracy" in run(search)[0]
    assert "eight bits" not in run(search, "--precision", "float32")[0]
    search = write_front(tmp_path / "digits/nasgd/seed_0", validation_accuracy_int8=None)
    assert "that in int8 was not measured" in run(search)[0]


def test_in_int8_the_accuracy_in_int8_decides(run: Run, tmp_path: Path) -> None:
    search = write_front(tmp_path / "digits/nasgd/seed_0")
    record = json.loads((search / "front/front.json").read_text())
    for row in record["networks"]:
        row["validation_accuracy_int8"] = 0.99 if row["name"] == "round 2" else 0.9
    record.pop("seal", None)
    write_json(search / "front/front.json", record)
    assert "chosen: nasgd/seed_0 round 2" in run(search)[0]
    assert "chosen: nasgd/seed_0 round 3" in run(search, "--precision", "float32")[0]
    assert "chosen: nasgd/seed_0 round 2" in run(search, "--min-accuracy", "0.95")[0]
    search = write_front(tmp_path / "digits/nasgd/seed_0", test_accuracy_int8=None)
    assert "93.00% in float32 on 400 images" in run(search, "--max-flash", "2k")[0]


def test_networks_of_several_experiments_compete(run: Run, search: Path, tmp_path: Path) -> None:
    small = (("tiny", 0.97, 500, 10_000, 500, 0.01),)
    other = write_front(tmp_path / "pruned/nasgd/seed_0", small)
    out, _ = run(search, other)
    assert "chosen: pruned/nasgd/seed_0 tiny, the highest validation accuracy" in out


def test_no_value_of_somebody_else_ends_it_with_a_traceback(
    search: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, rng = search / "front/front.json", random.Random(0)
    record, codes = json.loads(path.read_text()), set()
    for _ in range(150):
        changed = json.loads(json.dumps(record))
        network = rng.choice([changed, changed["images"], *changed["networks"]])
        network[rng.choice(list(network))] = rng.choice(foreign.VALUES[:-1])
        write_json(path, changed)
        for command in (["pick", str(search)], ["pick", str(search), "--json"]):
            codes.add(main(command))
        out, err = capsys.readouterr()
        assert "\x1b" not in out + err and "\x07" not in out + err
    assert codes == {0, 3}


def test_wrong_use_and_damage_are_one_line(run: Run, search: Path, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path / "one")
    for words, code, expected in (
        ([tmp_path / "one"], 2, "final.front"),
        ([tmp_path / "none"], 2, "nothing there"),
        ([search], 3, "front.json: networks"),
    ):
        if code == 3:
            write_json(search / "front/front.json", {"networks": [{"name": "\x1b[2J"}, 7]})
        err = run(*words, code=code)[1]
        assert expected in err and err.count("\n") == 1 and "\x1b" not in err
