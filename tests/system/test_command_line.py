"""Commands that people use often start fast, and a pipe may close early."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from places import GOLDEN

from nasflow.storage.files import read_json

WITHOUT_TORCH = [
    ["--help"],
    ["show", "--help"],
    ["show", str(GOLDEN)],
    ["show", str(GOLDEN / "nasgd/seed_0"), "--all"],
    ["show", str(GOLDEN / "nasgd/seed_0/final/network")],
]


@pytest.mark.parametrize("words", WITHOUT_TORCH, ids=lambda words: " ".join(words)[:20])
def test_what_people_ask_often_needs_no_torch(words: list[str]) -> None:
    run_light(words)


def test_stages_that_only_move_facts_need_no_torch(tmp_path: Path) -> None:
    search = GOLDEN / "nasgd/seed_0/search"
    budget = json.dumps(read_json(search / "plan.json"))
    run_light(["plan", "--config", budget, "--out", str(tmp_path / "plan.json")])
    found = {
        **{"--algorithm": "nasgd", "--pretrain": str(search.with_name("pretrain") / "status.json")},
        **{"--rounds": str(search / "round_1"), "--plan": str(tmp_path / "plan.json")},
        "--out": str(tmp_path / "winner"),
    }
    run_light(["select_winner", *(word for pair in found.items() for word in pair)])
    for name in ("winner.architecture.json", "winner.safetensors"):
        assert (tmp_path / name).read_bytes() == (search / name).read_bytes()
    for name in ("winner.json", "summary.json"):
        assert read_json(tmp_path / name) == read_json(search / name)


def run_light(words: list[str]) -> None:
    """Run a command that loads nothing heavy."""
    program = (
        "import sys; from nasflow.__main__ import main\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit: code = 0\n"
        "heavy = {'torch', 'torchvision', 'mlflow', 'pandas', 'numba'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or code)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_leaves_early_is_no_error() -> None:
    shell = f"'{sys.executable}' -m nasflow show '{GOLDEN}' | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
