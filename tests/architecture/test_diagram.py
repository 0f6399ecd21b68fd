"""Diagrams of architectures: what a person reads there is what the network is."""

from __future__ import annotations

from xml.etree import ElementTree

import cases
import pytest

from nasflow.architecture.architecture import Architecture, insert, rewire
from nasflow.architecture.diagram import STYLE, diagram
from nasflow.architecture.difference import difference, edges, sentences
from nasflow.architecture.node import Node
from nasflow.architecture.templates import chain

SVG = "{http://www.w3.org/2000/svg}"
BASE = chain((8, 16, 32), 3, (1, 8, 8), 10)


def _deeper(g: Architecture, behind: int) -> Architecture:
    new = Node(g.next_id, "conv", (behind,), g[behind].width, 5)
    after = [n.id for n in g.nodes][[n.id for n in g.nodes].index(behind) + 1]
    return Architecture(rewire(insert(g, new, after), behind, new.id, frozenset({new.id})), g.size)


def _words(svg: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def _classes(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [element.get("class") or "" for element in root.iter() if element.tag != SVG + "svg"]


@pytest.mark.parametrize("seed", range(6))
def test_a_diagram_has_one_box_for_each_node_and_one_line_for_each_edge(seed: int) -> None:
    g = cases.network(seed, 8).architecture
    root = ElementTree.fromstring(diagram(g))
    boxes = [e for e in root.iter() if e.tag in (f"{SVG}rect", f"{SVG}circle")]
    lines = list(root.iter(f"{SVG}path"))
    assert (len(boxes), len(lines)) == (len(g.nodes), len(edges(g)))
    words = _words(diagram(g))
    assert g.convs
    for conv in g.convs:
        assert f"conv {conv.kernel}×{conv.kernel} · {conv.width}" in words


@pytest.mark.parametrize("seed", range(6))
def test_differences_are_there_both_ways_and_none_without_one(seed: int) -> None:
    before, after = (cases.network(seed, n).architecture for n in (3, 7))
    there, back = difference(after, before), difference(before, after)
    assert any(there)
    assert (there.added, there.removed) == (back.removed, back.added)
    assert there.resized == back.resized
    assert len(list(ElementTree.fromstring(diagram(after, before)).iter(f"{SVG}g"))) == len(
        after.nodes
    ) + len(there.removed)
    assert not any(difference(after, after)) and not sentences(after, after)
    assert not {"na-new", "na-gone", "na-changed"} & set(_classes(diagram(after, after)))


def test_a_new_layer_is_marked_and_named() -> None:
    child = _deeper(BASE, 3)
    assert sentences(child, BASE) == ["new: conv 5×5, 16 (node 7) after conv 3×3, 16"]
    assert sentences(BASE, child) == ["removed: conv 5×5, 16 (node 7) after conv 3×3, 16"]
    assert _words(diagram(child, BASE)).count("+") == 1
    assert _words(diagram(BASE, child)).count("−") == 1


def test_a_resized_layer_says_both_widths() -> None:
    wider = chain((8, 24, 32), 3, (1, 8, 8), 10)
    assert "conv 3×3 · 16→24" in _words(diagram(wider, BASE))


def test_arcs_that_overlap_have_lanes_of_their_own() -> None:
    g = Architecture(
        (
            Node(0, "image", (), 4),
            Node(1, "conv", (0,), 4, 3),
            Node(2, "conv", (1,), 4, 3),
            Node(3, "add", (1, 2)),
            Node(4, "concat", (0, 3)),
            Node(5, "conv", (4,), 4, 3),
            Node(6, "add", (1, 5)),
            Node(7, "head", (6,), 3),
        ),
        (8, 8),
    )
    arcs = [
        path.get("d", "").split("H")[1].split("q")[0]
        for path in ElementTree.fromstring(diagram(g)).iter(f"{SVG}path")
        if "q" in path.get("d", "")
    ]
    assert len(arcs) == 3 and len(set(arcs)) == 3


def test_same_network_same_text_and_a_hostile_title_stays_text() -> None:
    hostile = '"><script>alert(1)</script>'
    assert diagram(BASE, title=hostile) == diagram(BASE, title=hostile)
    root = ElementTree.fromstring(diagram(BASE, title=hostile))
    assert root[0].text == hostile and not list(root.iter(f"{SVG}script"))


def test_style_can_stand_once_in_a_page() -> None:
    assert STYLE in diagram(BASE) and STYLE not in diagram(BASE, style="")
