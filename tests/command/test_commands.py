"""Every command has a help text and examples that are understood."""

from __future__ import annotations

import importlib

import pytest
from places import ROOT

from nasflow.__main__ import main
from nasflow.command.arguments import overview, read
from nasflow.command.command import PEOPLE, SNAKEMAKE
from nasflow.command.commands import COMMANDS


def test_help_names_every_command_once_under_its_group() -> None:
    text = overview()
    ours, theirs = text.split(f"{SNAKEMAKE}:")
    for name, command in COMMANDS.items():
        line = f"\n  {name:14} {command.summary}\n"
        assert line in (ours if command.group == PEOPLE else theirs)
    assert max(map(len, text.splitlines())) < 100


def test_the_page_of_the_docs_shows_the_help_as_it_is() -> None:
    page = ROOT / "docs/command_line.md"
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
    assert sum(len(command.examples) for command in COMMANDS.values()) > 10
    for name, command in COMMANDS.items():
        for example, _ in command.examples:
            assert example.startswith(f"nasflow {name} ")
            assert read(example.split()[1:])[0] == name


def test_every_command_is_a_function() -> None:
    assert COMMANDS
    for name, command in COMMANDS.items():
        assert callable(getattr(importlib.import_module(command.module), name))
