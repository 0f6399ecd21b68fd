"""A comparison as one page: as HTML with its figures inside, and the same page as Markdown."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from string import Template
from typing import NamedTuple

import pandas as pd

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title>
<style>
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .7rem; text-align: left }
td { white-space: nowrap } td:nth-child(2) { white-space: normal; min-width: 7rem }
th { border-bottom: 2px solid #666 }
img { max-width: 100%; background: #fff }
</style></head><body>
<h1>$title</h1>
$body
</body></html>
""")


class Part(NamedTuple):
    """One section of the page.

    Attributes:
        heading: its heading.
        text: one paragraph of plain text.
        content: a table, or the file name of a figure and its PNG.
    """

    heading: str
    text: str
    content: pd.DataFrame | tuple[str, bytes]


def as_html(title: str, parts: Sequence[Part]) -> str:
    """Return the page as HTML that needs no other file: the figures are part of it."""
    body = "\n".join(
        f"<h2>{html.escape(part.heading)}</h2>\n<p>{html.escape(part.text)}</p>\n"
        + (
            part.content.to_html(index=False, border=0, na_rep="–")
            if isinstance(part.content, pd.DataFrame)
            else _image(*part.content)
        )
        for part in parts
    )
    return PAGE.substitute(title=html.escape(title), body=body)


def as_markdown(title: str, parts: Sequence[Part]) -> str:
    """Return the page as Markdown, which links the figures by their file names."""
    sections = [
        f"## {part.heading}\n\n{part.text}\n\n"
        + (
            table(part.content)
            if isinstance(part.content, pd.DataFrame)
            else f"![{part.heading}]({part.content[0]})"
        )
        for part in parts
    ]
    return "\n\n".join([f"# {title}", *sections]) + "\n"


def table(frame: pd.DataFrame) -> str:
    """Return a Markdown table; texts and numbers stand in it as `str` prints them."""
    rows = [list(map(str, frame.columns)), ["---"] * len(frame.columns)]
    rows += [[str(value).replace("|", "\\|") for value in row] for row in frame.to_numpy()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _image(name: str, content: bytes) -> str:
    data = base64.b64encode(content).decode()
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{data}">'
