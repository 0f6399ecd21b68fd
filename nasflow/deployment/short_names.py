"""Short names for the tensors of a message of ONNX, for networks that have few bytes to spend."""

from __future__ import annotations

from itertools import count, islice
from string import ascii_letters

import onnx


def shortened(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give each tensor but the input and the output a name of one letter or a few.

    Args:
        model: the network.

    Returns:
        The same network with other names, and without the names of nodes.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    names = {one.name: one.name for one in (*graph.input, *graph.output)}
    used = [name for node in graph.node for name in (*node.input, *node.output)]
    kept = set(names)
    free = (short for short in map(_letters, count()) if short not in kept)
    new = [name for name in dict.fromkeys(used) if name and name not in names]
    names |= dict(zip(new, islice(free, len(new)), strict=True))
    for node in graph.node:
        node.ClearField("name")
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for tensor in graph.initializer:
        tensor.name = names[tensor.name]
    return result


def _letters(number: int) -> str:
    """Count in letters: a, b, ..., Z, aa, ab, ..."""
    more, last = divmod(number, len(ascii_letters))
    return (_letters(more - 1) if more else "") + ascii_letters[last]
