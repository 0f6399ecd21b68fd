"""Reading the command line with argparse, and its help.

Wrong use is reported in one line, with exit code 2.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from nasflow.command.command import PEOPLE, SNAKEMAKE, Command
from nasflow.command.commands import COMMANDS
from nasflow.printable import printable
from nasflow.version import __version__

FIRST = (
    ("nasflow fit photos --minutes 20", "from pictures to a trained network, with a report"),
    ("snakemake --cores 2 final_model", "in a clone of nasflow: search on the digits, in minutes"),
    ("nasflow show results/digits/nasgd/seed_0", "print what the search found, and how"),
)

# What the exit codes of a command mean, where those of `nasflow --help` do not say it.
EXITS = {
    "export": "exit codes: 0 written; 1 the written network computes something else, or --int8\n"
    "  costs more accuracy than --max-drop, and nothing is kept; 2 wrong arguments",
    "pick": "exit codes: 0 a network was chosen; 1 no network keeps all bounds (a line on stderr\n"
    "  names the nearest); 2 wrong arguments, or no networks there to choose from",
    "predict": "exit codes: 0 all images were predicted; 1 some could not be read (each is named\n"
    "  on stderr), the others were predicted; 2 wrong arguments, or none could be read",
}


class Parser(argparse.ArgumentParser):
    """A parser that reports wrong use in one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {printable(message)}; see {self.prog} --help", file=sys.stderr)
        sys.exit(2)


def read(arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Read a command line.

    Args:
        arguments: the words after `nasflow`.

    Returns:
        The name of the command, and the arguments of its function.

    Raises:
        SystemExit: after help, the version or a complaint.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        sys.exit(0)
    if arguments[0] == "--version":
        print(f"nasflow {__version__}")
        sys.exit(0)
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"nasflow: {_unknown(name)}; see nasflow --help", file=sys.stderr)
        sys.exit(2)
    command = COMMANDS[name]
    if command.passes and not {"-h", "--help"} & set(rest):
        return name, {"arguments": rest}
    return name, vars(parser(name, command).parse_args(rest))


def parser(name: str, command: Command) -> Parser:
    """Build the parser of one command."""
    result = Parser(
        prog=f"nasflow {name}",
        description=command.summary[0].upper() + command.summary[1:] + ".",
        epilog="\n\n".join(text for text in (_examples(command.examples), EXITS.get(name)) if text),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="nasflow resume SNAKEMAKE'S ARGUMENTS" if command.passes else None,
    )
    for names, options in command.arguments:
        result.add_argument(*names, **options)
    return result


def overview() -> str:
    """The text of `nasflow --help`."""
    lines = [
        "nasflow: neural architecture search by gradient descent on the space of architectures.",
        "",
        "usage: nasflow COMMAND ...     nasflow COMMAND --help     nasflow --version",
    ]
    for group in (PEOPLE, SNAKEMAKE):
        own = {name: one for name, one in COMMANDS.items() if one.group == group}
        lines += ["", f"{group}:", *(f"  {name:14} {one.summary}" for name, one in own.items())]
    lines += ["", _examples(FIRST)]
    lines += [
        "",
        "exit codes: 0 done; 1 an exported network computes something else, no network keeps the",
        "  bounds of pick, predict could not read some images, or track could not copy all; 2 bad",
        "  input; 3 a damaged file; 75 stopped, or another process works on it: try again; 130",
        "  interrupted (Ctrl-C)",
    ]
    return "\n".join(lines)


def _examples(examples: Sequence[tuple[str, str]]) -> str:
    if not examples:
        return ""
    width = max(len(command) for command, _ in examples)
    rows = (f"  {command:{width}}  {meaning}".rstrip() for command, meaning in examples)
    return "\n".join(["examples:", *rows])


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
    hint = f", did you mean '{near[0]}'?" if near else ""
    return f"no command '{printable(name)}'{hint}"
