"""An architecture as an SVG picture for people, alone or compared with its parent.

There is one row for each node, from the image down to the head. A row shows a box whose width grows
with the logarithm of the channels. On the left stands the size of the map, where it changes; on the
right there is an arc for every edge that skips rows.

In a comparison, a new node is green and marked +, a changed one is amber and marked ~, and a
removed one is still drawn, dashed and marked −. So no reader depends on the colours.

The SVG needs no other file, font or script. It turns dark where the reader prefers dark pages. The
same networks give bit for bit the same text. The colours are written twice, for light and for dark
pages, since renderers outside browsers know neither variables nor media queries.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from html import escape
from typing import NamedTuple

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.difference import NONE, Difference, difference, name
from nasflow.architecture.node import FILTERING, HEADS, Node, tensor_shapes

# All lengths are in pixels.
ROW, BOX, TOP = 38, 26, 14  # heights: of a row, of a box, and of the space above the first box
LEFT, WIDEST, NARROWEST = 62, 172, 112  # widths: of the left margin, and of boxes
ROUND, FULL = 26, 1024  # the diameter of an add; the channels of the widest box
ARCS = 500  # most arcs of a drawing; the time grows as their square
LANE, GAP = 13, 10  # distances: between the lanes of arcs, and from the boxes to the first lane
STYLE = """
.na text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1c2330}
.na .na-side,.na .na-channels{fill:#667085;font-size:11px}
.na path{fill:none;stroke:#8a94a6;stroke-width:1.6}
.na rect,.na circle{stroke:#5b6b8c;stroke-width:1.2;fill:#eef1f6}
.na .na-k1{fill:#e6f0fb}.na .na-k3{fill:#cfe3f8}.na .na-k5{fill:#aecff2}.na .na-k7{fill:#88b6ea}
.na .na-pool{fill:#f3e3ee;stroke:#9a5b82}.na .na-joint{fill:#e9e2f8;stroke:#6d54a8}
.na .na-head{fill:#fbeecb;stroke:#9a7a1e}
.na .na-new rect,.na .na-new circle{stroke:#12813f;stroke-width:2.6}
.na .na-changed rect{stroke:#c26a00;stroke-width:2.6}
.na .na-gone rect,.na .na-gone circle{stroke:#c4314b;stroke-dasharray:4 3;fill:none}
.na .na-gone text{fill:#c4314b}
.na path.na-new{stroke:#12813f;stroke-width:2.2}
.na path.na-gone{stroke:#c4314b;stroke-dasharray:4 3}
.na .na-mark{font-size:17px;font-weight:700}
.na .na-mark.na-new{fill:#12813f}.na .na-mark.na-changed{fill:#c26a00}
.na .na-mark.na-gone{fill:#c4314b}
@media (prefers-color-scheme:dark){
.na text{fill:#e7ebf3}.na .na-side,.na .na-channels{fill:#a2adc0}
.na path{stroke:#76829a}
.na rect,.na circle{stroke:#8fa3c8;fill:#262d3a}
.na .na-k1{fill:#1c2a3d}.na .na-k3{fill:#1f3a5a}.na .na-k5{fill:#24507f}.na .na-k7{fill:#2a66a6}
.na .na-pool{fill:#3d2535;stroke:#cf92b8}.na .na-joint{fill:#312750;stroke:#b3a0ea}
.na .na-head{fill:#42381a;stroke:#dcbc5e}
.na .na-new rect,.na .na-new circle,.na path.na-new{stroke:#4ade80}
.na .na-changed rect{stroke:#fbbf24}
.na .na-gone rect,.na .na-gone circle,.na path.na-gone{stroke:#fb7185}
.na .na-gone rect,.na .na-gone circle{fill:none}
.na .na-gone text,.na .na-mark.na-gone{fill:#fb7185}
.na .na-mark.na-new{fill:#4ade80}.na .na-mark.na-changed{fill:#fbbf24}
}
"""


class Place(NamedTuple):
    """Where a node is drawn.

    Attributes:
        node: the node.
        owner: the architecture that has the node: the parent for a removed node, otherwise g.
        row: the number of its row, from 0.
        half: half the width of its box, in pixels.
        mark: `new`, `changed`, `gone` or empty.
    """

    node: Node
    owner: Architecture
    row: int
    half: float
    mark: str


class Arc(NamedTuple):
    """An edge that skips rows.

    Attributes:
        source: the node that it comes from.
        target: the node that it goes to.
        mark: `new`, `gone` or empty.
        lane: the number of the vertical line on which it passes rows, from 0 next to the boxes.
    """

    source: Place
    target: Place
    mark: str
    lane: int


def diagram(
    g: Architecture, parent: Architecture | None = None, title: str = "", style: str = STYLE
) -> str:
    """Draw an architecture as an SVG.

    Args:
        g: the architecture.
        parent: if given, the differences from it are marked.
        title: what a screen reader says first, before it says the nodes in their order.
        style: the CSS of the picture. A page with many pictures can hold STYLE once, and give each
            picture an empty style.

    Returns:
        The text of the SVG element.
    """
    found = NONE if parent is None else difference(g, parent)
    places = _places(g, parent, found)
    straight, arcs = _routes(places, g, found)
    middle = LEFT + WIDEST / 2
    lanes = max((arc.lane for arc in arcs), default=-1) + 1
    width = LEFT + WIDEST + (GAP + LANE * lanes if lanes else 0) + 6
    height = 2 * TOP + ROW * (len(places) - 1) + BOX
    parts = [*(_line(*edge, middle) for edge in straight), *(_arc(a, middle) for a in arcs)]
    parts += [_box(place, middle, parent) for place in places.values()]
    parts += _sides(places.values(), g)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="na" role="img" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}">'
        f"<title>{escape(title or 'architecture')}</title><desc>{escape(g.describe())}</desc>"
        f"{style and f'<style>{style}</style>'}{''.join(parts)}</svg>"
    )


def _places(g: Architecture, parent: Architecture | None, found: Difference) -> dict[int, Place]:
    """Return the place of each node, by id.

    The rows are in topological order. A removed node comes behind the node that it stood behind.
    """
    order: list[tuple[Node, Architecture]] = [(node, g) for node in g.nodes]
    if parent is not None:
        for before, node in zip(parent.nodes, parent.nodes[1:], strict=False):
            if node.id in found.removed:
                position = [n.id for n, _ in order].index(before.id)
                order.insert(position + 1, (node, parent))
    places = {}
    for row, (node, owner) in enumerate(order):
        mark = "gone" if node.id in found.removed else "new" if node.id in found.added else ""
        mark = "changed" if node.id in found.resized else mark
        places[node.id] = Place(node, owner, row, _half(node, owner), mark)
    return places


def _half(node: Node, owner: Architecture) -> float:
    """Return half the width of a box, logarithmic since morphisms multiply channels."""
    if node.op == "add":
        return ROUND / 2
    channels = owner.shapes[node.id][0]
    fraction = min(1.0, math.log2(1 + channels) / math.log2(1 + FULL))
    return (NARROWEST + (WIDEST - NARROWEST) * fraction) / 2


def _routes(
    places: dict[int, Place], g: Architecture, found: Difference
) -> tuple[list[tuple[Place, Place, str]], list[Arc]]:
    """Return the straight edges to the next row, and the arcs for all other edges.

    Each arc takes the first lane that is free between its rows. Short arcs come first, so that long
    ones run outside of them; behind the first ARCS, arcs are left out.
    """
    every = []
    for place in places.values():
        for i in place.node.inputs:
            joined = "new" if (i, place.node.id) in found.joined else ""
            every.append((places[i], place, place.mark if place.mark == "gone" else joined))
    every += [(places[a], places[b], "gone") for a, b in sorted(found.cut)]
    straight = [e for e in every if e[1].row == e[0].row + 1]
    arcs: list[Arc] = []
    for source, target, mark in sorted(
        (e for e in every if e[1].row > e[0].row + 1),
        key=lambda e: (e[1].row - e[0].row, e[0].row),
    )[:ARCS]:
        taken = {a.lane for a in arcs if a.source.row < target.row and source.row < a.target.row}
        lane = next(i for i in range(len(arcs) + 1) if i not in taken)
        arcs.append(Arc(source, target, mark, lane))
    return straight, arcs


def _line(source: Place, target: Place, mark: str, middle: float) -> str:
    y = _top(source.row) + BOX
    end = _top(target.row)
    return (
        f'<path{_class(mark)} d="M{middle} {y}V{end - 1}'
        f'M{middle - 4} {end - 6}L{middle} {end - 1}L{middle + 4} {end - 6}"/>'
    )


def _arc(arc: Arc, middle: float) -> str:
    """Draw an arc: out of the right side of one box and into the right side of another."""
    lane = LEFT + WIDEST + GAP + LANE * arc.lane
    start, end = _top(arc.source.row) + BOX * 0.65, _top(arc.target.row) + BOX * 0.35
    out, into = middle + arc.source.half, middle + arc.target.half + 1
    head = f"M{into + 5:.1f} {end - 4:.1f}L{into:.1f} {end:.1f}L{into + 5:.1f} {end + 4:.1f}"
    path = f"M{out:.1f} {start:.1f}H{lane - 7}q7 0 7 7V{end - 7:.1f}q0 7 -7 7H{into:.1f}{head}"
    return f'<path{_class(arc.mark)} d="{path}"/>'


def _box(place: Place, middle: float, parent: Architecture | None) -> str:
    node, y = place.node, _top(place.row)
    shape = (
        f'<circle class="na-joint" cx="{middle}" cy="{y + BOX / 2}" r="{ROUND / 2}"/>'
        if node.op == "add"
        else f'<rect{_class(_kind(node))} x="{middle - place.half:.1f}" y="{y}" '
        f'width="{2 * place.half:.1f}" height="{BOX}" rx="6"/>'
    )
    word = escape(_word(place, parent))
    mark = {"new": "+", "changed": "~", "gone": "−"}.get(place.mark, "")
    if mark:
        x = middle - place.half - 9
        mark = (
            f'<text class="na-mark na-{place.mark}" x="{x:.1f}" y="{y + BOX / 2 + 6}" '
            f'text-anchor="middle">{mark}</text>'
        )
    return (
        f"<g{_class(place.mark)}><title>{escape(_hint(place))}</title>{shape}"
        f'<text x="{middle}" y="{y + BOX / 2 + 4}" text-anchor="middle">{word}</text>{mark}</g>'
    )


def _word(place: Place, parent: Architecture | None) -> str:
    """Return the text in a box, such as `conv 3×3 · 24→48` for a convolution that was widened."""
    node = place.node
    if node.op == "add":
        return "+"
    text = name(place.owner, node.id).replace(", ", " · ")
    if place.mark != "changed" or parent is None:
        return text
    old = parent[node.id]
    if node.op == "conv":
        sides = [f"{k}×{k}" for k in (old.kernel, node.kernel)]
        kernel = sides[1] if old.kernel == node.kernel else "→".join(sides)
        width = f"{node.width}" if old.width == node.width else f"{old.width}→{node.width}"
        return f"conv {kernel} · {width}"
    if old.width == node.width:  # a head that reads its map in another way
        return text
    return f"{text.rsplit(' · ', 1)[0]} · {old.width}→{node.width}"


def _hint(place: Place) -> str:
    """Return the text that appears while a pointer rests on a box."""
    g, node = place.owner, place.node
    shape = "×".join(map(str, g.shapes[node.id]))
    shapes = tensor_shapes(node, [g.shapes[i] for i in node.inputs])
    learned = sum(map(math.prod, shapes.values()))
    reads = f", reads {', '.join(map(str, node.inputs))}" if node.inputs else ""
    state = {"new": "new, ", "changed": "changed, ", "gone": "removed, "}.get(place.mark, "")
    return f"node {node.id}: {state}{name(g, node.id)}{reads}; {shape}; {learned:,} parameters"


def _sides(places: Iterable[Place], g: Architecture) -> Iterator[str]:
    """Write the height × width of the map at the left, in each row where it changes."""
    shown = None
    for place in places:
        if place.mark == "gone" or place.node.op in HEADS:
            continue
        side = g.shapes[place.node.id][1:]
        if side != shown:
            y = _top(place.row) + BOX / 2 + 4
            yield f'<text class="na-side" x="2" y="{y}">{escape(f"{side[0]}×{side[1]}")}</text>'
        shown = side


def _top(row: int) -> int:
    return TOP + ROW * row


def _class(mark: str) -> str:
    return f' class="na-{mark}"' if mark else ""


def _kind(node: Node) -> str:
    if node.op in FILTERING:
        return f"k{min(7, node.kernel | 1)}"
    kinds = {"pool": "pool", "mean_pool": "pool", "concat": "joint", "pad": "joint"}
    return kinds.get(node.op, "head" if node.op in HEADS else "")
