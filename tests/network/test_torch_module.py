"""A module of torch becomes a network and a network becomes a module."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import nasflow


def sequence(*head: nn.Module, bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)

    def conv(a: int, b: int, kernel: int) -> nn.Sequential:
        layer = nn.Conv2d(a, b, kernel, padding="same", bias=bias)
        return nn.Sequential(layer, nn.BatchNorm2d(b), nn.ReLU())

    module = nn.Sequential(conv(3, 4, 3), nn.MaxPool2d(2), conv(4, 6, 5), *head)
    for _ in range(3):  # statistics that are not 0 and 1
        module(torch.randn(16, 3, 9, 9))
    return module


HEADS = {
    "global average": (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
    "flat": (nn.Flatten(), nn.Linear(6 * 4 * 4, 5)),
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("training", [False, True])
def test_an_own_module_computes_the_same_as_a_network(head: str, training: bool) -> None:
    module, some = sequence(*HEADS[head]), torch.randn(8, 3, 9, 9)
    network = nasflow.from_torch(module, (9, 9))
    ours = nasflow.Module(network)
    module.train(training), ours.train(training)
    assert torch.allclose(module(some), ours(some), atol=1e-5)


def test_a_morphism_of_an_own_network_keeps_its_function() -> None:
    module, some = sequence(*HEADS["flat"]).eval(), torch.randn(8, 3, 9, 9)
    network = nasflow.from_torch(module, (9, 9))
    for name in ("deepen", "widen", "enlarge_kernel"):
        child = nasflow.Module(nasflow.morph(network, name, seed=1)).eval()
        assert torch.allclose(child(some), module(some), atol=1e-4)


def test_a_module_learns_and_goes_back_to_a_network() -> None:
    network = nasflow.from_torch(sequence(*HEADS["flat"]), (9, 9))
    module = nasflow.Module(network)
    module(torch.randn(8, 3, 9, 9)).square().sum().backward()
    parameters = list(module.parameters())
    assert len(parameters) == len(network.x) > 0
    assert all(p.grad is not None and p.grad.any() for p in parameters)
    again = module.network()
    assert again.architecture == network.architecture
    assert all(torch.equal(t, network.x[name]) for name, t in again.x.items())


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Dropout(), "Dropout"),
        (nn.MaxPool2d(2, stride=1), "MaxPool2d"),
        (nn.Conv2d(6, 6, 3, stride=2), "stride 1"),
        (nn.Conv2d(6, 6, 3, padding=1), "behind Conv2d"),
        (nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect"), "same padding"),
        (nn.MaxPool2d(2, dilation=2), "MaxPool2d"),
        (nn.AdaptiveAvgPool2d(1), "AdaptiveAvgPool2d"),
        (nn.Flatten(), "Flatten"),
    ],
)
def test_a_layer_that_no_network_has_is_named(layer: nn.Module, words: str) -> None:
    module = nn.Sequential(*sequence(), layer, *HEADS["global average"])
    with pytest.raises(ValueError, match=words):
        nasflow.from_torch(module, (9, 9))
