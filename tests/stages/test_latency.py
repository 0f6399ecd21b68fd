"""The table of latencies of an experiment: how it is made, given, kept and read."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
import timed

from nasflow.__main__ import main
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import Stored
from nasflow.config.reading import ConfigError, parse
from nasflow.config.search import Search
from nasflow.deployment import latency_fit, runtime
from nasflow.deployment.latency_sample import networks
from nasflow.network.network import Network
from nasflow.stages import latency as stage
from nasflow.stages.finished_round import latency_file
from nasflow.stages.in_memory import run_search
from nasflow.stages.latency import given_table, winner_latency
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import CorruptFile, read_json


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.prepare(tmp_path_factory.mktemp("latency"))


@functools.cache
def drawn(image: tuple[int, int, int], classes: int, count: int) -> list[Network]:
    """Draw 40 networks; this takes a second, so all tests have the same ones."""
    return networks(image, 10, 40)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure without onnxruntime: each network takes what a table says."""

    def times(drawn: list[Network], precision: Stored) -> Any:
        own = timed.table(precision=precision)
        return np.array([own.milliseconds(network.architecture) for network in drawn])

    monkeypatch.setattr(latency_fit, "measured", times)
    monkeypatch.setattr(latency_fit, "networks", drawn)


def test_the_command_measures_and_says_how_well_it_predicts(
    quiet: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "table.json"
    assert main(["latency", "--out", str(out), "--channels", "1", "--size", "8"]) == 0
    said = capsys.readouterr().err
    assert "int8, images of 1 x 8 x 8; over 40 networks that the fit has not seen" in said
    record = read_json(out, "latency_table")
    assert (record["precision"], record["image"]) == ("int8", [1, 8, 8])
    assert record["check"]["networks"] == 40 and record["check"]["ninth"] < 0.15
    assert record["machine"]["onnxruntime"] and record["seconds"] > 0
    out.write_text(out.read_text().replace("int8", "int9"))
    with pytest.raises(CorruptFile, match="does not fit its sha256"):
        read_json(out, "latency_table")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--size", "0"], "--size: 0; expected 1 to 512"),
        (["--channels", "99"], "--channels: 99; expected 1 to 64"),
        (["--size", "8", "--data", "DATA"], "leave out --channels, --size"),
        (["--data", "DATA", "--table", "FLOAT"], "measured in float32; search.constraints.prec"),
        (["--data", "DATA", "--table", "LARGE"], "with images of 3 x 9 x 9; those of the exper"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    words: list[str], line: str, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "DATA": here / "data",
        "FLOAT": timed.table_at(tmp_path / "float.json", precision=Stored.FLOAT32),
        "LARGE": timed.table_at(tmp_path / "large.json", image=(3, 9, 9)),
    }
    given = [str(files.get(word, word)) for word in words]
    assert main(["latency", "--out", str(tmp_path / "out.json"), *given]) == 2
    said = capsys.readouterr().err
    assert line in said and said.count("\n") == 1
    assert not (tmp_path / "out.json").exists()


def test_without_onnxruntime_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtime, "RUNTIME", ("not_there_at_all",))
    assert main(["latency", "--out", str(tmp_path / "out.json")]) == 2
    assert "latency: not_there_at_all not installed; pip install" in capsys.readouterr().err


def test_a_table_is_kept_and_not_measured_twice(
    quiet: None, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "latency/table.json"
    words = ["latency", "--out", str(out), "--data", str(here / "data")]
    assert main(words) == 0
    monkeypatch.setenv("NASFLOW_KEEP", "1")
    monkeypatch.setattr(stage, "_measured", None)
    before = out.read_bytes()
    assert main(words) == 0
    assert out.read_bytes() == before


def test_a_round_reads_the_table_beside_the_data_and_gives_the_same_bytes_again(
    here: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(here, folder)
    bound = {"latency_weight": 0.2, "constraints": {"max_latency": 0.01}}
    with pytest.raises(CorruptFile, match=r"latency/table\.json: missing"):
        small.one_round(folder, folder / "a", **bound)
    file = timed.table_at(latency_file(folder / "data"))
    small.one_round(folder, folder / "a", **bound)
    small.one_round(folder, folder / "b", **bound)
    assert small.results(folder / "a") == small.results(folder / "b")
    made = read_json(folder / "a/status.json")["made"]["inputs"]
    assert len(made) == 3
    assert len(read_json(here / "pretrain/status.json")["made"]["inputs"]) == 1
    file.write_text("{}")
    with pytest.raises(CorruptFile, match="no key"):
        small.one_round(folder, folder / "c", **bound)


def test_a_search_in_memory_reads_the_given_table_or_measures(quiet: None, tmp_path: Path) -> None:
    file = timed.table_at(tmp_path / "table.json")
    free: dict[str, Any] = {"search": {"n_neigh": 2, "max_steps": 2}}
    timed_search = {"max_latency": 1.0, "latency_table": str(file)}
    search = parse(Search, {"constraints": timed_search})
    assert given_table(search, timed.IMAGE, 3) == timed.table()
    assert given_table(parse(Search, free["search"]), timed.IMAGE, 3) is None
    measured = given_table(parse(Search, {"latency_weight": 0.1}), timed.IMAGE, 3)
    assert measured is not None and measured.check.networks == 40
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8)).astype(np.uint8)
    small_bound = {"constraints": {**timed_search, "max_latency": 1e-4}}
    with pytest.raises(ValueError, match=r"max_latency: 0.0001; the base network takes"):
        run_search(images, np.arange(60) % 3, search={**free["search"], **small_bound})


def test_the_winner_is_measured_beside_its_prediction(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = read_checkpoint(here / "pretrain/network").network
    found = winner_latency(network, timed.table())
    predicted = timed.table().milliseconds(network.architecture)
    assert found["latency_predicted"] == {"int8": predicted}
    assert 0.0 < found["latency_int8"] < 10.0 and 0.0 < found["latency_float32"] < 10.0
    monkeypatch.setattr(runtime, "RUNTIME", ("not_there_at_all",))
    none = {"latency_float32": None, "latency_int8": None}
    assert winner_latency(network, None) == none
    json.dumps(found)


@pytest.mark.parametrize("key", ["max_latency: 1.0", "latency_table: x.json, max_latency: 1.0"])
def test_a_search_without_onnxruntime_is_refused_before_any_work(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtime, "RUNTIME", ("not_there_at_all",))
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(f"search: {{constraints: {{{key}}}}}\n")
    code, said = main(["check", "config.yaml"]), capsys.readouterr().err
    assert code == (0 if "table" in key else 2)
    assert ("not_there_at_all not installed; pip install" in said) == bool(code)


def test_an_ablation_with_another_table_is_refused() -> None:
    other = {"quick": {"search": {"constraints": {"max_latency": 1.0, "precision": "float32"}}}}
    line = "compare.ablations.quick.search.constraints: expected the precision and the latency_tab"
    with pytest.raises(ConfigError, match=line):
        parse(Experiment, {"compare": {"ablations": other}})
