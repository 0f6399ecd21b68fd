"""Reading an architecture from JSON: a file from elsewhere is data, and every number is bounded.

Types and bounds are checked before a graph is built, since the number of nodes, channels and pixels
decides how much time and memory everything takes that is made from it. The bounds are far above
what a search finds, and far below what exhausts a machine. A graph that a search makes in memory is
not held to them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nasflow.architecture.node import ACTIVATIONS, OPS, Node
from nasflow.printable import shown

LARGEST = 8_000_000  # bytes of the text; 5,000 nodes need 0.7 MB
NODES = 5_000
EDGES = 20_000
IDS = 2**31 - 1
WIDEST = 65_536  # channels, also the limit of search.max_filters
SIDES = 4_096  # pixels per side of an image
PARAMETERS = 10**10  # 40 GB of float32
FLOPS = 10**13  # per image: some minutes on a core
MAP = 2**28  # numbers of a map, 1 GB of float32
BOUNDS = {"id": (0, IDS), "width": (0, WIDEST), "kernel": (0, 15), "stride": (1, 2)}
NAMES = {"op": OPS, "activation": ACTIVATIONS}
NEEDED = ("id", "op", "inputs")


def read(text: str) -> tuple[tuple[Node, ...], tuple[int, int]]:
    """Read the nodes and the size of the image from the text of an architecture.

    Args:
        text: what `Architecture.to_json` wrote.

    Returns:
        The nodes, and (height, width) of the image. Whether they form a legal graph is not checked.

    Raises:
        ValueError: if the text is too long or not JSON, has another schema, lacks a key or has an
            unknown one, or if a value has a wrong type or is out of bounds.
    """
    if len(text) > LARGEST:
        raise _wrong("text", f"{len(text)} characters", f"at most {LARGEST}")
    try:
        data = json.loads(text)
    except RecursionError as error:
        raise _wrong("text", "nested too deep", "a list of nodes") from error
    if not isinstance(data, dict):
        raise _wrong("text", shown(data), "the keys schema, size and nodes")
    _keys("", data, ("schema", "size", "nodes"), ())
    if type(data["schema"]) is not int or data["schema"] != 1:
        raise ValueError(f"architecture: schema {shown(data['schema'])}; this nasflow reads 1")
    size, nodes = data["size"], data["nodes"]
    if not isinstance(size, list) or len(size) != 2:
        raise _wrong("size", shown(size), "the height and the width of the image")
    for side in size:
        _whole("size", side, 1, SIDES)
    if not isinstance(nodes, list) or len(nodes) > NODES:
        found = f"{len(nodes)} of them" if isinstance(nodes, list) else shown(nodes)
        raise _wrong("nodes", found, f"a list of at most {NODES}")
    made = tuple(_node(place, entry) for place, entry in enumerate(nodes))
    edges = sum(len(node.inputs) for node in made)
    if edges > EDGES:
        raise _wrong("inputs", f"{edges} in all", f"at most {EDGES}")
    return made, (size[0], size[1])


def check_sizes(parameters: int, flops: int, largest: int) -> None:
    """Refuse an architecture that would need more memory or time than any machine here has.

    Args:
        parameters: the number of learned numbers.
        flops: the FLOPs of one image.
        largest: the numbers of the largest map.

    Raises:
        ValueError: if one of them is above its bound.
    """
    bounds = {
        "parameters": (parameters, PARAMETERS),
        "flops": (flops, FLOPS),
        "largest map": (largest, MAP),
    }
    for name, (found, most) in bounds.items():
        if found > most:
            raise _wrong(name, str(found), f"at most {most}")


def _node(place: int, entry: Any) -> Node:
    """Read one node; `place` is its place among the nodes, from 0."""
    where = f"node at place {place}"
    if not isinstance(entry, dict):
        raise _wrong(where, shown(entry), "a mapping of keys")
    _keys(f"{where}: ", entry, NEEDED, (*BOUNDS, *NAMES))
    for key, (low, high) in BOUNDS.items():
        if key in entry:
            _whole(f"{where}: {key}", entry[key], low, high)
    for key, known in NAMES.items():
        if key in entry and not (isinstance(entry[key], str) and entry[key] in known):
            raise _wrong(f"{where}: {key}", shown(entry[key]), f"one of {', '.join(known)}")
    inputs = entry["inputs"]
    if not isinstance(inputs, list) or len(inputs) > NODES:
        raise _wrong(f"{where}: inputs", shown(inputs), "a list of ids")
    for one in inputs:
        _whole(f"{where}: inputs", one, 0, IDS)
    return Node(**{**entry, "inputs": tuple(inputs)})


def _keys(
    where: str, entry: Mapping[str, Any], needed: tuple[str, ...], more: tuple[str, ...]
) -> None:
    """Refuse a mapping that lacks a key or has one that is not known."""
    for key in needed:
        if key not in entry:
            raise ValueError(f"architecture: not readable ({where}no key '{key}')")
    for key in entry:
        if key not in needed and key not in more:
            known = ", ".join(dict.fromkeys((*needed, *more)))
            raise _wrong(f"{where}key", shown(key), f"one of {known}")


def _whole(key: str, value: Any, low: int, high: int) -> None:
    """Refuse what is no whole number between two bounds; true and false are no numbers."""
    if type(value) is not int or not low <= value <= high:
        raise _wrong(key, shown(value), f"a whole number from {low} to {high}")


def _wrong(key: str, found: str, allowed: str) -> ValueError:
    return ValueError(f"architecture: {key}: {found}; expected {allowed}")
