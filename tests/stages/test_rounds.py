"""The stage `search_round`: its files do not depend on workers and tell one story."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rounds import RESULTS, TABLES, run

from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import read_json
from nasflow.storage.tables import read_table


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        ("nasgd", {"validation": "paired"}),
        ("nasgd", {"validation": "independent"}),
        ("nasagd", {"second_order": {"kinetic": True}}),
        ("nasgd", {"proposal": "gradient", "n_morphisms": 2}),
        ("nasgd", {"weights": "fresh", "potential": "none"}),
        ("nasgd", {"equal": "flops", "moves": "compound"}),
        ("nash", {}),
        ("most_flops", {}),
        ("nasgraph", {}),
        ("random", {}),
        ("halving", {}),
    ],
)
def test_a_round_gives_the_same_bytes_for_any_number_of_workers(
    folder: Path, algorithm: str, options: dict[str, object]
) -> None:
    one = run(folder, "one", 1, algorithm, **options)
    three = run(folder, "three", 3, algorithm, **options)
    for name in RESULTS + TABLES:
        assert (one / name).read_bytes() == (three / name).read_bytes(), name


def test_records_tell_one_story(folder: Path) -> None:
    out = run(folder, "r", 1)
    status = json.loads((out / "status.json").read_text())
    particles = read_table(out / "particles.parquet").to_pandas()
    children = read_table(out / "architectures.parquet").to_pandas()
    assert len(particles) == status["steps"] * (status["children"] + 1)
    assert (particles.groupby("step")["count"].sum() == 1000 + status["children"]).all()
    before = particles[particles.step <= 50]
    parent = before[before.node == 0]
    assert len(parent) == 50
    assert (parent["count"] == 1000).all()  # the warm-up
    last = particles[particles.step == status["steps"]].set_index("node")
    assert (last["count_after"].to_numpy() == children["count"].to_numpy()).all()
    assert children[children.winner].fingerprint.item() == status["fingerprint"]
    assert read_checkpoint(out / "winner").k == status["k"] == status["steps"]


def test_a_diverging_search_says_which_key_to_lower(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(folder, "d", 1, lambda_start=10.0, lambda_final=10.0, friction=100.0)
    assert json.loads((out / "status.json").read_text())["reason"] == "diverged"
    assert "search.lambda_start" in capsys.readouterr().err


def test_a_round_of_nash_that_the_budget_cuts_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = run(folder, "cut", 1, "nash", budget={"steps": 3})
    assert read_json(cut / "status.json")["steps"] == 3
    assert "ended by the budget after 3 of " in capsys.readouterr().err
    whole = run(folder, "whole", 1, "nash")
    assert read_json(whole / "status.json")["steps"] > 3
    assert "budget" not in capsys.readouterr().err


def test_search_jobs_import_neither_torchvision_nor_mlflow_nor_pandas() -> None:
    code = (
        "import sys, nasflow.stages.rounds, nasflow.stages.training; "
        "print([m for m in ('torchvision', 'mlflow', 'pandas', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
