"""One node: each wrong value is one clear error, and files without the newer keys are read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from places import GOLDEN

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node, output_shape

SEARCH = GOLDEN / "nasgd/seed_0"
IMAGE, CONV, HEAD = Node(0, "image", (), 1), Node(1, "conv", (0,), 4, 3), Node(2, "head", (1,), 3)


def whole(node: Node) -> Architecture:
    return Architecture((IMAGE, node, HEAD), (8, 8))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"op": "dropout"}, "node 1: op 'dropout'; expected one of image, conv, whiten"),
        ({"op": "head"}, "node 1: the image comes first and the head last, once each"),
        ({"id": 0}, "node 0: ids must be unique"),
        ({"inputs": (5,)}, r"node 1: ids must be unique and inputs \(5,\) come before it"),
        ({"inputs": ()}, r"node 1: conv takes 1 different inputs, not \(\)"),
        ({"op": "add"}, r"node 1: add takes 2 different inputs, not \(0,\)"),
        ({"op": "concat"}, "node 1: concat takes 2 different inputs"),
        ({"width": 0}, "node 1: width 0; expected at least 1"),
        ({"kernel": 0}, "node 1: kernel 0; expected 1 to 15"),
        ({"kernel": 17}, "node 1: kernel 17; expected 1 to 15"),
        ({"op": "whiten", "kernel": 0}, "node 1: kernel 0; expected 1 to 15"),
        ({"stride": 0}, "node 1: stride 0; expected 1, or 2 with an odd kernel"),
        ({"stride": 3}, "node 1: stride 3; expected 1, or 2 with an odd kernel"),
        ({"stride": 2, "kernel": 4}, "node 1: stride 2; expected 1, or 2 with an odd kernel"),
        ({"stride": 2, "op": "whiten"}, "node 1: stride 2; expected 1, or 2 with an odd kernel"),
        ({"stride": 2, "op": "pool"}, "node 1: stride 2; expected 1, or 2 with an odd kernel"),
        ({"activation": "swish"}, "node 1: activation 'swish'; expected relu or gelu"),
        ({"activation": ""}, "node 1: activation ''; expected relu or gelu"),
    ],
)
def test_a_wrong_value_is_one_clear_error(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^architecture: {message}") as error:
        whole(replace(CONV, **wrong))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kernel", [1, 3, 5, 15])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_an_odd_kernel_may_have_stride_2(kernel: int, activation: str) -> None:
    g = whole(replace(CONV, kernel=kernel, stride=2, activation=activation))
    assert g.shapes[1] == (4, 4, 4)
    assert Architecture.from_json(g.to_json()) == g


def test_maps_with_an_odd_side_are_halved_upwards_or_downwards() -> None:
    shape = [(4, 9, 7)]
    halves = {
        "conv": Node(1, "conv", (0,), 4, 3, stride=2),
        "mean_pool": Node(1, "mean_pool", (0,)),
        "pool": Node(1, "pool", (0,)),
    }
    found = {name: output_shape(node, shape, (9, 7)) for name, node in halves.items()}
    assert found == {"conv": (4, 5, 4), "mean_pool": (4, 5, 4), "pool": (4, 4, 3)}


def test_stride_and_activation_are_part_of_the_fingerprint() -> None:
    options: list[dict[str, Any]] = [{}, {"stride": 2}, {"activation": "gelu"}]
    options.append(options[1] | options[2])
    assert len({whole(replace(CONV, **own)).fingerprint for own in options}) == 4


def test_files_without_stride_and_activation_are_read_as_before() -> None:
    """nasflow before strides and activations wrote the golden files."""
    text = (SEARCH / "pretrain/network.architecture.json").read_text()
    assert "stride" not in text and "activation" not in text
    g = Architecture.from_json(text)
    assert all((n.stride, n.activation) == (1, "relu") for n in g.nodes)
    assert g.to_json() == text
    said = json.loads((SEARCH / "pretrain/status.json").read_text())["fingerprint"]
    assert g.fingerprint == said


def test_only_unusual_values_are_written() -> None:
    text = whole(replace(CONV, stride=2, activation="gelu")).to_json()
    conv = json.loads(text)["nodes"][1]
    assert (conv["stride"], conv["activation"]) == (2, "gelu")
    assert text.count("stride") == text.count("activation") == 1
