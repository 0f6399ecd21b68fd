"""A network whose head reads maxima has the rates of airbench94; others take the step size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import TEMPLATES
from nasflow.network.network import Network, initialise
from nasflow.network.whitening import whitened
from nasflow.training import optim, sibling
from nasflow.training.rates import PEAKS, SHIFTS, rates
from nasflow.training.siblings import Siblings

IMAGE = (3, 16, 16)


def network(template: str) -> Network:
    return initialise(TEMPLATES[template](IMAGE, 4), np.random.default_rng(0))


@pytest.mark.parametrize("template", ["chain6", "chain7", "resnet20"])
def test_other_heads_take_the_step_size(template: str) -> None:
    assert rates(TEMPLATES[template](IMAGE, 4)) == {}


@pytest.mark.parametrize(("template", "features"), [("airbench", 128), ("airbench_x2", 256)])
def test_a_head_of_maxima_is_slower_the_more_it_reads(template: str, features: int) -> None:
    g = TEMPLATES[template](IMAGE, 4)
    found = rates(g)
    assert set(found) == set(g.tensors)
    assert found.pop(f"{g.head.id}.weight") == pytest.approx(PEAKS / features**2)
    expected = {"weight": 1.0, "bias": 1.0, "shift": SHIFTS, "scale": 0.0}
    assert all(factor == expected[name.split(".")[1]] for name, factor in found.items())


def test_a_head_of_few_maxima_is_not_faster_than_the_step_size() -> None:
    g = TEMPLATES["airbench"](IMAGE, 4)
    narrow = tuple(replace(n, width=8) if n.op == "conv" else n for n in g.nodes)
    assert rates(Architecture(narrow, g.size))[f"{g.head.id}.weight"] == 1.0


@pytest.mark.parametrize("template", ["airbench", "airbench_x2"])
def test_a_head_of_maxima_makes_all_classes_about_equally_likely_at_first(template: str) -> None:
    start = network(template)
    weight = start.x[f"{start.architecture.head.id}.weight"]
    features = weight[0].numel()
    assert 0.9 < float(weight.abs().max()) * features**1.5 <= 1.0
    plain = network("chain7")
    weight = plain.x[f"{plain.architecture.head.id}.weight"]
    assert 0.9 < float(weight.abs().max()) * weight[0].numel() ** 0.5 <= 1.0


@pytest.mark.parametrize("beside", [(), ("chain7",)])
def test_a_step_is_as_much_longer_or_shorter_as_the_rates_say(
    beside: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = torch.randn(8, *IMAGE, generator=torch.Generator().manual_seed(0))
    batch = images, torch.arange(8) % 4
    start = [whitened(network(name), images) for name in ("airbench", *beside)]
    moved = []
    for known in (True, False):
        monkeypatch.setattr(sibling, "rates", rates if known else lambda g: {})
        with Siblings(start, optim.muon(momentum=0.6, weight_decay=0.0)) as live:
            live.step([batch], None, 0.1)
            ends = [live.network(i).x for i in range(len(start))]
        pairs = zip(ends, start, strict=True)
        moved.append([{name: x[name] - own.x[name] for name in x} for x, own in pairs])
    found, usual = moved
    for name, factor in rates(start[0].architecture).items():
        assert float(usual[0][name].abs().max()) > 0.0, name
        if factor == 1.0:
            assert torch.equal(found[0][name], usual[0][name]), name
        else:  # differences of rounded numbers
            torch.testing.assert_close(
                found[0][name], factor * usual[0][name], rtol=1e-3, atol=1e-6
            )
    for a, b in zip(found[1:], usual[1:], strict=True):
        assert all(torch.equal(a[name], b[name]) for name in b)
