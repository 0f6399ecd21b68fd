"""The range of a map covers its numbers, but for a few that lie far out."""

from __future__ import annotations

import cases
import pytest
import torch

from nasflow.deployment import map_ranges as module
from nasflow.deployment.deployable import Deployable
from nasflow.deployment.map_ranges import covering, map_ranges
from nasflow.deployment.onnx_model import onnx_model


def test_numbers_without_outliers_are_all_covered() -> None:
    values = torch.linspace(-1.0, 3.0, 1000)
    assert covering(values) == pytest.approx((-1.0, 3.0))


def test_a_single_outlier_is_cut_off() -> None:
    values = torch.cat([torch.linspace(0.0, 1.0, 100_000), torch.tensor([4.0])])
    low, high = covering(values)
    assert low == 0.0 and high == pytest.approx(1.0)


def test_zero_lies_in_every_range() -> None:
    assert covering(torch.tensor([2.0, 3.0])).low == 0.0
    assert covering(torch.tensor([-2.0, -3.0])).high == 0.0
    assert covering(torch.zeros(5)) == (0.0, 0.0)


def test_a_map_behind_a_relu_begins_at_zero_whatever_the_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = cases.network(1, 0)
    own = Deployable(network, cases.facts(network))
    model, images = onnx_model(own), own.example(70)
    relus = [node.output[0] for node in model.graph.node if node.op_type == "Relu"]
    found = map_ranges(model, relus, images)
    assert len(found) == 3
    assert all(low == 0.0 and high > 0.0 for low, high in found.values())
    monkeypatch.setattr(module, "MOST", 1)  # images one by one, as where maps are large
    again = map_ranges(model, relus, images)
    assert all(again[name] == pytest.approx(found[name], rel=1e-5) for name in relus)
