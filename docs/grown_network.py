"""Draws the picture of the README: the network that a search began with, and the one it ended with.

Run it from the root of the repository, after the first of the README's two commands:

PYTHONPATH=. python docs/grown_network.py results/digits/nasgd/seed_0
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.diagram import STYLE, diagram

FIGURE = Path(__file__).parent / "figures" / "grown_network.svg"
EDGE, HEAD, BETWEEN = (
    22,
    64,
    76,
)  # pixels: around everything, for the captions, between the networks
CARD = """
.card{fill:#ffffff;stroke:#d4d9e2}
.caption{font:600 14px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1c2330}
.small{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#667085}
.arrow{fill:none;stroke:#8a94a6;stroke-width:2.4}
@media (prefers-color-scheme:dark){.card{fill:#1a1d23;stroke:#3a4150}.caption{fill:#e7ebf3}
.small{fill:#a2adc0}.arrow{stroke:#76829a}}
"""


def architecture(stem: Path) -> Architecture:
    """Read the architecture of a checkpoint."""
    return Architecture.from_json(stem.with_name(f"{stem.name}.architecture.json").read_text())


def caption(words: str, g: Architecture) -> tuple[str, str]:
    """Return the two lines above a network."""
    return words, f"{len(g.convs)} convolutions, {g.parameters:,} parameters"


def picture(before: Architecture, after: Architecture) -> str:
    """Draw two networks side by side on a card that is light or dark as the reader's pages are."""
    parts, x, tallest = [], EDGE, 0
    for g, parent, words in ((before, None, "Before the search"), (after, before, "Found")):
        drawing = diagram(g, parent, words, style="")
        width, height = (int(v) for v in re.findall(r'(?:width|height)="(\d+)"', drawing)[:2])
        for line, (kind, text) in enumerate(
            zip(("caption", "small"), caption(words, g), strict=True)
        ):
            parts.append(f'<text class="{kind}" x="{x}" y="{EDGE + 14 + 20 * line}">{text}</text>')
        parts.append(drawing.replace("<svg ", f'<svg x="{x}" y="{HEAD}" ', 1))
        x, tallest = x + width + BETWEEN, max(tallest, height)
    width, height = x - BETWEEN + EDGE, HEAD + tallest + EDGE // 2
    middle = EDGE + 240 + BETWEEN / 2
    parts.append(
        f'<path class="arrow" d="M{middle - 24} {height / 2}H{middle + 22}m-9 -8l9 8l-9 8"/>'
    )
    card = f'<rect class="card" x="1" y="1" width="{width - 2}" height="{height - 2}" rx="12"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><style>{STYLE}{CARD}</style>{card}{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    search = Path(sys.argv[1])
    drawn = picture(
        architecture(search / "pretrain/network"), architecture(search / "final/network")
    )
    FIGURE.write_text(drawn)
