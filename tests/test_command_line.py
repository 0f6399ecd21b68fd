"""The command line: its help, its complaints, what it imports."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from nasflow.__main__ import main
from nasflow.command.arguments import overview, read
from nasflow.command.commands import COMMANDS, PEOPLE, SNAKEMAKE
from nasflow.storage.files import read_json
from nasflow.version import __version__

GOLDEN = Path(__file__).parent / "golden/schema_1"
WITHOUT_TORCH = [
    ["--help"],
    ["show", "--help"],
    ["show", str(GOLDEN)],
    ["show", str(GOLDEN / "nasgd/seed_0"), "--all"],
    ["show", str(GOLDEN / "nasgd/seed_0/final/network")],
]


def test_help_names_every_command_once_under_its_group() -> None:
    text = overview()
    ours, theirs = text.split(f"{SNAKEMAKE}:")
    for name, command in COMMANDS.items():
        line = f"\n  {name:14} {command.summary}\n"
        assert line in (ours if command.group == PEOPLE else theirs)
    assert max(map(len, text.splitlines())) < 100


def test_the_page_of_the_docs_shows_the_help_as_it_is() -> None:
    page = Path(__file__).parents[1] / "docs/command_line.md"
    assert f"```\n{overview()}\n```" in page.read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: nasflow {name}")
    for command, _ in COMMANDS[name].examples:
        assert command in said


def test_examples_are_calls_that_are_understood() -> None:
    for name, command in COMMANDS.items():
        for example, _ in command.examples:
            assert example.startswith(f"nasflow {name} ")
            assert read(example.split()[1:])[0] == name


def test_nothing_at_all_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 0
    assert capsys.readouterr().out == overview() + "\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"nasflow {__version__}\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["shwo"], "nasflow: no command 'shwo', did you mean 'show'?; see nasflow --help"),
        (["\x1b[2J"], "nasflow: no command '\\x1b[2J'; see nasflow --help"),
        (["--verbose"], "nasflow: no command '--verbose'; see nasflow --help"),
        (["show"], "nasflow show: the following arguments are required: path; see nasflow show"),
        (["export", "n", "--to", "tf"], "nasflow export: argument --to: invalid choice: 'tf'"),
    ],
)
def test_wrong_use_is_one_line_and_2(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    out, err = capsys.readouterr()
    assert end.value.code == 2 and out == ""
    assert err.startswith(line) and err.count("\n") == 1


def test_commands_are_functions() -> None:
    for name, command in COMMANDS.items():
        assert callable(getattr(importlib.import_module(command.module), name))


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
