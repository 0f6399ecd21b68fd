"""Printing for the commands: tables by rich on a terminal, and plain columns elsewhere.

Text is printed as it is and never read as rich's markup, since names come from files and folders.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from shutil import get_terminal_size

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from nasflow.printable import printable

PIPED = 400  # columns per line in a pipe or a file, where no terminal has an edge
LEAST = 120  # fewest columns on a terminal: a line that it breaks is better than one that is cut

Cell = str | Text
Lines = Iterator[RenderableType]


def console() -> Console:
    """A console on stdout; without colours and line breaks where that is not a terminal."""
    width = max(LEAST, get_terminal_size().columns) if sys.stdout.isatty() else PIPED
    return Console(markup=False, highlight=False, emoji=False, width=width)


def say(lines: Iterable[RenderableType]) -> None:
    """Print the lines in turn; where stdout is not a terminal, blanks at the end are removed.

    A line of text is one line: what is not printable in it, such as ESC, is written as an escape.
    """
    out = console()
    with out.capture() if not out.is_terminal else nullcontext() as captured:
        for line in lines:
            plain = printable(line) if isinstance(line, str) else line
            out.print(plain, soft_wrap=isinstance(line, str | Text))
    if captured is not None:
        print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def drawn() -> bool:
    """Whether stdout can show characters beyond ASCII."""
    return (sys.stdout.encoding or "ascii").lower().startswith("utf")


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Table:
    """Make a table.

    Args:
        columns: the headings; a column whose heading begins with a blank is aligned to the right.
        rows: one cell for each column.
    """
    live = sys.stdout.isatty()
    edge = box.SIMPLE_HEAD if live and drawn() else None
    result = Table(box=edge, pad_edge=False, padding=(0, 2 if edge is None else 1, 0, 0))
    for name in columns:
        right = name.startswith(" ")
        result.add_column(name.strip(), justify="right" if right else "left", no_wrap=True)
    for row in rows:
        result.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    return result


def styled(text: str, style: str) -> Text:
    """Text in a style of rich."""
    return Text(printable(text), style)


def count(value: int | None) -> str:
    """A number as in 12,345; `-` where it is not known."""
    return "-" if value is None else f"{value:,}"


def percent(value: float | None, places: int = 1) -> str:
    """A fraction as in 12.3 %; `-` where it is not known."""
    return "-" if value is None else f"{value:.{places}%}".replace("%", " %")


def loss(value: float | None) -> str:
    """A loss in nats as in 0.1234; `-` where it is not known."""
    return "-" if value is None else f"{value:.4f}"


def mega(value: int | None) -> str:
    """FLOPs in millions, as in 1.28; `-` where they are not known."""
    return "-" if value is None else f"{value / 1e6:,.2f}"


def milliseconds(value: float | None) -> str:
    """Milliseconds as in 0.012 ms; `-` where they are not known."""
    return "-" if value is None else f"{value:.3g} ms"


def seconds(value: float | None) -> str:
    """Seconds as in 14 s, 3:05 or 1:02:03; `-` where they are not known."""
    if value is None:
        return "-"
    if value < 100:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
