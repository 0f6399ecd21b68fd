"""What a network takes is told in both precisions, wherever its parameters are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from places import GOLDEN

from nasflow.__main__ import main
from nasflow.architecture.templates import chain
from nasflow.config.kinds import Stored
from nasflow.deployment.figures import NAMES, figures, kilobytes, words
from nasflow.deployment.flash import flash
from nasflow.deployment.ram import ram
from nasflow.records import curves
from nasflow.storage.manifest import read_architecture

G = chain((8, 16, 32), 3, (1, 8, 8), 10)
WORDS = "6.7 kB of weights and 0.6 kB of maps in int8; 24.9 kB and 2.6 kB in float32"


def test_the_figures_are_those_of_both_precisions() -> None:
    assert figures(G) == {
        f"{name}_{precision}": measure(G, precision)
        for name, measure in (("flash", flash), ("ram", ram))
        for precision in Stored
    }
    assert set(figures(G)) == set(NAMES) <= set(curves.NETWORK)
    assert words(figures(G)) == WORDS


def test_a_record_of_an_older_nasflow_has_no_figures() -> None:
    assert words({"parameters": 9}) == ""
    assert words({name: 1 for name in NAMES[:3]}) == ""


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0.0 kB"),
        (49, "0.0 kB"),
        (6904, "6.9 kB"),
        (999_949, "999.9 kB"),
        (2_500_000, "2.50 MB"),
    ],
)
def test_bytes_are_written_in_kilobytes_of_a_thousand(count: int, text: str) -> None:
    assert kilobytes(count) == text


def test_every_record_of_a_search_holds_the_figures_of_its_network(searched: Path) -> None:
    search = searched / "nasgd/seed_0"
    places = {
        "pretrain/status.json": "pretrain/network",
        "search/round_1/status.json": "search/round_1/winner",
        "search/summary.json": "search/winner",
        "final/status.json": "final/network",
        "final/metrics.json": "final/network",
    }
    for record, network in places.items():
        found = json.loads((search / record).read_text())
        wanted = figures(read_architecture(search / network))
        assert {name: found[name] for name in NAMES} == wanted, record
    lineage = json.loads((search / "search/summary.json").read_text())["lineage"]
    assert all(set(NAMES) <= set(row) for row in lineage)
    text = (search / "final/summary.txt").read_text()
    assert f"  deployment     {words(found)}\n" in text
    assert "TOO LARGE" not in text


def shown(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["show", str(path)]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_show_tells_them_of_a_search_a_round_and_a_network(
    searched: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search = searched / "nasgd/seed_0"
    for folder, network in (
        ("", "final/network"),
        ("search/round_1", "search/round_1/winner"),
        ("final/network", "final/network"),
    ):
        told = words(figures(read_architecture(search / network)))
        assert told in shown(search / folder, capsys), folder


def test_show_reads_records_of_an_older_nasflow(capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("nasgd/seed_0", "nasgd/seed_0/search/round_1"):
        assert "in int8" not in shown(GOLDEN / folder, capsys)
    assert "in int8" in shown(GOLDEN / "nasgd/seed_0/final/network", capsys)


def test_a_network_that_does_not_fit_its_board_is_told_where_it_is_measured(
    searched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search, bounds = searched / "nasgd/seed_0", {"max_flash": 100, "max_ram": 10**6}
    words: dict[str, Any] = {
        "config": json.dumps({"constraints": bounds}),
        "data": searched / "data",
        "network": search / "final/network",
        "search": search / "search/summary.json",
        "pretrain": search / "pretrain/status.json",
        "out": tmp_path / "metrics.json",
        "device": "cpu",
        "threads": 1,
    }
    assert main(["evaluate", *(part for k, v in words.items() for part in (f"--{k}", str(v)))]) == 0
    err = capsys.readouterr().err
    assert "nasflow: search.constraints.max_flash is 100, and the network takes " in err
    (line,) = json.loads((tmp_path / "metrics.json").read_text())["exceeded"]
    assert line in err and "max_ram" not in line
    text = " ".join((tmp_path / "summary.txt").read_text().split())
    assert f"! TOO LARGE {line}: it does not fit the board" in text
