"""What the commands print with: tables of rich on a terminal, plain columns elsewhere.

Text is taken as it is, never as rich's markup: names come from files and folders.
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

PIPED = 400  # columns where nobody sees the edge
LEAST = 120  # of a terminal: a line that it breaks says more than one that is cut

Cell = str | Text
Lines = Iterator[RenderableType]


def console() -> Console:
    """On stdout; where that is no terminal: no colour, no wrapping."""
    width = max(LEAST, get_terminal_size().columns) if sys.stdout.isatty() else PIPED
    return Console(markup=False, highlight=False, emoji=False, width=width)


def say(lines: Iterable[RenderableType]) -> None:
    """Print one after the other; elsewhere than on a terminal no line ends in blanks."""
    out = console()
    with out.capture() if not out.is_terminal else nullcontext() as captured:
        for line in lines:
            out.print(line, soft_wrap=isinstance(line, str | Text))
    if captured is not None:
        print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def drawn() -> bool:
    """Whether stdout can show more than ASCII."""
    return (sys.stdout.encoding or "ascii").lower().startswith("utf")


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], style: str | None = None
) -> Table:
    """Columns whose heading begins with a blank are numbers, to the right."""
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
    return Text(printable(text), style)


def count(value: int | None) -> str:
    """12,345"""
    return "-" if value is None else f"{value:,}"


def percent(value: float | None, places: int = 1) -> str:
    return "-" if value is None else f"{value:.{places}%}".replace("%", " %")


def loss(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def mega(value: int | None) -> str:
    """FLOPs in millions."""
    return "-" if value is None else f"{value / 1e6:,.2f}"


def seconds(value: float | None) -> str:
    """14 s, 3:05, 1:02:03"""
    if value is None:
        return "-"
    if value < 100:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
