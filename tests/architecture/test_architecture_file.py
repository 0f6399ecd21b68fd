"""An architecture from a file is data: types and bounds are checked before a graph is built."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from places import TESTS

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.architecture_file import EDGES, NODES
from nasflow.architecture.diagram import diagram
from nasflow.architecture.node import Node
from nasflow.architecture.segments import segments
from nasflow.architecture.text_diagram import rails

GOLDEN = TESTS / "golden/schema_1/nasgd/seed_0/pretrain"
IMAGE: dict[str, Any] = {"id": 0, "op": "image", "inputs": [], "width": 1, "kernel": 0}
CONV: dict[str, Any] = {"id": 1, "op": "conv", "inputs": [0], "width": 4, "kernel": 3}
HEAD: dict[str, Any] = {"id": 2, "op": "head", "inputs": [1], "width": 2, "kernel": 0}


def text(*nodes: Any, size: Any = (8, 8), **more: Any) -> str:
    return json.dumps({"schema": 1, "size": size, "nodes": list(nodes), **more})


def chain(count: int) -> list[dict[str, Any]]:
    """A chain of so many nodes."""
    convs = [CONV | {"id": i, "inputs": [i - 1], "width": 1} for i in range(1, count - 1)]
    return [IMAGE, *convs, HEAD | {"id": count - 1, "inputs": [count - 2]}]


def fibonacci(count: int) -> list[dict[str, Any]]:
    """Concats of which each joins the two nodes before it."""
    join = {"op": "concat", "width": 0, "kernel": 0}
    joins = [join | {"id": i, "inputs": [i - 1, i - 2]} for i in range(2, count)]
    return [IMAGE, CONV | {"width": 1}, *joins, HEAD | {"id": count, "inputs": [count - 1]}]


def test_the_sound_one_is_read() -> None:
    g = Architecture.from_json(text(IMAGE, CONV, HEAD))
    assert g.nodes[1] == Node(1, "conv", (0,), 4, 3) and g.size == (8, 8)


CODE = "1 = [open('MARK', 'w')][0]"
WRONG: dict[str, tuple[Any, ...]] = {
    "id": (CODE, "1", 1.0, True, None, -1, 2**31, [1]),
    "op": ("dense", 1, None, ["conv"], {}),
    "inputs": (0, "0", None, {"0": 0}, [0.0], ["0"], [True], [[0]], [-1], [0, 0], [7]),
    "width": ("4", 4.0, True, None, -4, 0, 65_537, 10**30, float("nan")),
    "kernel": ("3", 3.0, True, None, -3, 0, 16),
    "stride": ("1", 1.0, True, None, 0, 3),
    "activation": ("tanh", 1, None, ["relu"]),
    "name": ("x",),
}


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, many in WRONG.items() for v in many])
def test_a_value_of_a_wrong_type_or_out_of_bounds_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^architecture: [^\n]+$"):
        Architecture.from_json(text(IMAGE, CONV | {key: value}, HEAD))


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "[]",
        "7",
        "null",
        '{"schema": 1}',
        text(),
        text(7),
        text(IMAGE, CONV, HEAD, size=["<script>alert(1)</script>", "x"]),
        text(IMAGE, CONV, HEAD, size=[8]),
        text(IMAGE, CONV, HEAD, size=[8, 4097]),
        text(IMAGE, CONV, HEAD, size=[8, True]),
        text(IMAGE, CONV, HEAD, size="88"),
        text(IMAGE, CONV, HEAD, extra=1),
        text(IMAGE, CONV, HEAD).replace('"schema": 1', '"schema": true'),
        text(IMAGE, {"id": 1}, HEAD),
        "[" * 200_000,
        '{"schema": 1, "size": [8, 8], "nodes": ' + "[" * 2_000 + "]" * 2_000 + "}",
        " " * 9_000_000,
        text(*chain(NODES + 1)),
        text(IMAGE, CONV | {"width": 60_000}, CONV | {"id": 3, "width": 60_000, "inputs": [1]},
             HEAD | {"inputs": [3]}),
        text(IMAGE, CONV | {"width": 60_000}, HEAD, size=[4096, 4096]),
    ],
)  # fmt: skip
def test_what_is_no_architecture_is_refused_in_one_line(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{1,2000}$"):
        Architecture.from_json(wrong)


def test_no_nodes_are_a_value_error() -> None:
    with pytest.raises(ValueError, match="no nodes"):
        Architecture((), (8, 8))


@pytest.mark.parametrize("count", [40, 60, 1000])
def test_concats_of_concats_are_refused_before_they_fill_the_memory(count: int) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="expected at most"):
        Architecture.from_json(text(*fibonacci(count)))
    assert time.process_time() - began < 1.0
    assert Architecture.from_json(text(*fibonacci(20))).shapes[19][0] == 6765


def test_joins_of_very_many_segments_are_refused() -> None:
    join = {"op": "concat", "width": 0, "kernel": 0}
    nodes = [IMAGE, CONV | {"width": 1}]
    for i in range(2, 22):
        nodes.append(join | {"id": i, "inputs": [i - 1, i - 2]})
    for i in range(22, 400):
        nodes.append(join | {"id": i, "inputs": [20, 21]})
    nodes.append({"id": 400, "op": "head", "inputs": [399], "width": 2, "kernel": 0})
    made = tuple(Node(**{**n, "inputs": tuple(n["inputs"])}) for n in nodes)
    with pytest.raises(ValueError, match="segments are joined"):
        segments(made)


def test_too_many_edges_are_refused() -> None:
    convs = [CONV | {"id": i, "width": 1} for i in range(1, 300)]
    join = {"op": "concat", "width": 0, "kernel": 0, "inputs": list(range(1, 300))}
    joins = [join | {"id": 300 + i} for i in range(EDGES // 299 + 1)]
    with pytest.raises(ValueError, match="inputs"):
        Architecture.from_json(text(IMAGE, *convs, *joins, HEAD | {"id": 999, "inputs": [300]}))


def test_five_thousand_nodes_take_less_than_seconds() -> None:
    g = Architecture.from_json(text(*chain(NODES)))
    began = time.process_time()
    assert len(g.fingerprint) == 16
    assert time.process_time() - began < 1.0
    assert g.pooled == {} and len(g.tied(7)) == 1
    assert len(rails(g)) == NODES and len(diagram(g)) > NODES
    assert time.process_time() - began < 3.0


def test_fingerprints_of_large_graphs_tell_a_change_anywhere() -> None:
    nodes = chain(300)
    found = {Architecture.from_json(text(*nodes)).fingerprint}
    for place in (1, 150, 298):
        changed = [*nodes[:place], nodes[place] | {"kernel": 5}, *nodes[place + 1 :]]
        found.add(Architecture.from_json(text(*changed)).fingerprint)
    assert len(found) == 4
    renamed = [
        node | {"id": 1000 - node["id"], "inputs": [1000 - i for i in node["inputs"]]}
        for node in nodes
    ]
    assert Architecture.from_json(text(*renamed)).fingerprint in found


def test_skips_beyond_a_drawing_are_left_out() -> None:
    mixes = [{"id": i, "op": "add", "inputs": [i - 1, 1], "width": 0, "kernel": 0}
             for i in range(3, 703)]  # fmt: skip
    nodes = [IMAGE, CONV, CONV | {"id": 2, "inputs": [1]}, *mixes]
    g = Architecture.from_json(text(*nodes, HEAD | {"id": 703, "inputs": [702]}))
    assert max(map(len, rails(g))) < 10 and diagram(g).count("q7 0 7 7") == 500


def test_the_fingerprints_of_known_networks_stay_as_they_are() -> None:
    said = json.loads((GOLDEN / "status.json").read_text())["fingerprint"]
    g = Architecture.from_json((GOLDEN / "network.architecture.json").read_text())
    assert g.fingerprint == said == "91f27be8526c4b7f"
    two_hundred = Architecture.from_json(text(*chain(200))).fingerprint
    assert two_hundred == TWO_HUNDRED


TWO_HUNDRED = "e5407a0f203fdd5b"  # what the quadratic fingerprint gives
