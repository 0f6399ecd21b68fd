"""Wrong use of the command line is answered in one line."""

from __future__ import annotations

import pytest

from nasflow.__main__ import main
from nasflow.command.arguments import overview
from nasflow.version import __version__


def test_without_arguments_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 0
    assert capsys.readouterr().out == overview() + "\n"


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
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
