"""A network outside nasflow computes what it computes inside."""

from __future__ import annotations

import cases
import pytest
import torch
from cases import facts

import nasflow
from nasflow.deployment.deployable import Deployable, traced
from nasflow.training.batches import Split
from nasflow.training.siblings import Siblings


@pytest.mark.parametrize("morphed", [0, 3, 6, 9])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_logits_are_those_of_the_network(seed: int, morphed: int) -> None:
    network = cases.network(seed, morphed)
    module = Deployable(network, facts(network), probabilities=False)
    images = module.example(5, integers=True)
    mean, std = torch.tensor([0.4, 0.5]), torch.tensor([0.2, 0.3])
    split = Split(images.permute(0, 2, 3, 1), torch.zeros(5, dtype=torch.int64), mean, std)
    expected = cases.logits(network, split.normalise(split.images))
    with torch.no_grad():
        torch.testing.assert_close(module(images), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(module(images.float() / 255.0), module(images))


def test_it_shares_no_memory_and_gives_probabilities() -> None:
    network = cases.network(1, 3)
    module = Deployable(network, facts(network))
    assert torch.allclose(module(module.example()).sum(1), torch.ones(2))
    own = {t.data_ptr() for t in module.state_dict().values()}
    assert own
    assert not own & {t.data_ptr() for part in network[1:] for t in part.values()}


def test_another_data_set_is_refused_in_one_line() -> None:
    network = cases.network(1, 0)
    with pytest.raises(ValueError, match=r"takes .*\(2, 8, 8, 5\).*has \(1, 8, 8, 5\)"):
        Deployable(network, facts(network) | {"channels": 1})


def test_it_is_traced_in_a_process_that_has_searched_too() -> None:
    network = cases.network(1, 0)
    module = Deployable(network, facts(network))
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.rnn.fp32_precision
    with Siblings([network], lambda *_: None) as live:
        live.network(0)
        program = traced(module, module.example())
        assert torch.backends.fp32_precision == "ieee"  # type: ignore[attr-defined]
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.rnn.fp32_precision) == before
    torch.testing.assert_close(program.module()(module.example(3)), module(module.example(3)))


@pytest.mark.parametrize("seed", range(12))
def test_logits_are_those_of_networks_with_gelu_strides_and_mean_pools(seed: int) -> None:
    network = cases.varied(seed)
    if "add_stage" in nasflow.sites(network.architecture):
        network = nasflow.morph(network, "add_stage")
    module = Deployable(network, facts(network), probabilities=False)
    images = module.example(5)
    mean, std = (torch.tensor(pair)[:, None, None] for pair in ([0.4, 0.5], [0.2, 0.3]))
    expected = cases.logits(network, (images - mean) / std)
    with torch.no_grad():
        torch.testing.assert_close(module(images), expected, rtol=1e-4, atol=1e-4)
