"""The network that a search begins with: the chain of `base`, or a template."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nasflow.architecture.templates import TEMPLATES, chain
from nasflow.config.base import Base
from nasflow.config.kinds import FIXED, Algorithm
from nasflow.config.reading import parse
from nasflow.network.base import base_network, first_network, template_network, template_of
from nasflow.network.network import Network, initialise
from nasflow.network.whitening import filters
from nasflow.randomness import generator

IMAGE, CLASSES = (3, 8, 9), 4
PORTFOLIO = {"portfolio": ["chain7", "resnet20"]}


def images(seed: int = 0) -> torch.Tensor:
    return torch.randn((50, *IMAGE), generator=torch.Generator().manual_seed(seed))


def made(name: str, seed: int = 0) -> Network:
    return template_network(name, IMAGE, CLASSES, seed, images())


def base(**own: Any) -> Base:
    section: Base = parse(Base, own, "base")
    return section


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_template_is_made_with_the_weights_of_its_seed(name: str) -> None:
    one, two, other = made(name), made(name), made(name, seed=1)
    assert one.architecture == TEMPLATES[name](IMAGE, CLASSES)
    assert all(torch.equal(t, two.x[key]) for key, t in one.x.items())
    kernel = f"{one.architecture.convs[0].id}.weight"
    assert not torch.equal(one.x[kernel], other.x[kernel])
    assert not any(t.any() for t in one.v.values())


def test_a_skip_starts_as_the_mean_of_its_branches() -> None:
    mixes = [t for name, t in made("resnet20").x.items() if name.endswith(".mix")]
    assert len(mixes) == 9
    assert all((t == 0.5).all() for t in mixes)


def test_a_whiten_starts_with_the_filters_that_the_images_ask_for() -> None:
    network = made("airbench")
    assert torch.equal(network.buffers["1.filters"], filters(images(), 2, 24))


def test_templates_do_not_share_their_random_numbers() -> None:
    one, two = made("chain7"), made("resnet20")
    a, b = one.x["1.weight"].flatten(), two.x["1.weight"].flatten()
    assert not torch.isclose(a[: len(b)], b[: len(a)]).any()


def test_a_fixed_network_is_its_own_first_network() -> None:
    assert {template_of(algorithm, base(**PORTFOLIO)) for algorithm in FIXED} == set(FIXED)
    assert template_of(Algorithm.CHAIN6, base(network="some/network")) == "chain6"


@pytest.mark.parametrize("algorithm", [Algorithm.NASGD, Algorithm.NASH, Algorithm.RACE])
def test_a_portfolio_begins_with_its_first_network(algorithm: Algorithm) -> None:
    assert template_of(algorithm, base(**PORTFOLIO)) == "chain7"
    assert template_of(algorithm, base(**PORTFOLIO, network="some/network")) is None
    assert template_of(algorithm, base()) is None


def test_the_first_network_is_a_template_or_the_chain_of_the_section() -> None:
    own = base(widths=[4, 8], head="flatten")
    plain = first_network(Algorithm.NASGD, own, IMAGE, CLASSES, 5, images())
    assert plain.architecture == chain((4, 8), 3, IMAGE, CLASSES, "flat_head")
    again = base_network(own, IMAGE, CLASSES, 5)
    assert all(torch.equal(t, again.x[name]) for name, t in plain.x.items())
    for algorithm, section, name in (
        (Algorithm.AIRBENCH, own, "airbench"),
        (Algorithm.NASGD, base(**PORTFOLIO), "chain7"),
    ):
        found = first_network(algorithm, section, IMAGE, CLASSES, 5, images())
        expected = made(name, 5)
        assert found.architecture == expected.architecture
        assert all(torch.equal(t, expected.x[key]) for key, t in found.x.items())


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_convolutions_of_a_template_hand_on_their_input(name: str) -> None:
    """The first filters are the mean of random ones and of Diracs of the same length."""
    network = made(name)
    plain = initialise(network.architecture, generator(f"init {name}", 0))
    for conv in network.architecture.convs:
        key = f"{conv.id}.weight"
        weight, random = network.x[key], plain.x[key]
        count, middle = min(weight.shape[:2]), conv.kernel // 2
        added = weight - random
        added[:count] += (1.0 - 0.5**0.5) * random[:count]
        height = 0.5**0.5 * random.flatten(1).norm(dim=1).mean()
        dirac = torch.zeros_like(weight)
        dirac[range(count), range(count), middle, middle] = height
        torch.testing.assert_close(added, dirac, rtol=1e-4, atol=1e-5)
