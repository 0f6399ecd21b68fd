"""Ageing slows old layers and leaves the newest ones alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from cases import network as random_network
from quick import base_network, setting_of

from nasflow.network.morphisms import MORPHISMS
from nasflow.search import ageing
from nasflow.training import optim
from nasflow.training.batches import Batches
from nasflow.training.siblings import Siblings


def test_ageing_counts_layers_to_the_nearest_new_one() -> None:
    """conv1 - pool - conv3 - pool - conv5 - head; a convolution comes behind conv3."""
    parent = base_network()
    child = MORPHISMS["deepen"].apply(parent, (3, 3), np.random.default_rng(0))
    g = child.architecture
    new = g.next_id - 1
    assert ageing.newest(parent.architecture, g) == {new}
    assert ageing.distances(g, frozenset({new})) == {
        0: 2,
        1: 2,
        2: 1,
        3: 1,
        4: 0,
        5: 1,
        new: 0,
        6: 2,
    }
    gains = ageing.gains(parent.architecture, g, 2.0)
    assert gains[f"{new}.weight"] == 1.0
    assert gains["3.weight"] == gains["5.scale"] == pytest.approx(math.exp(-1 / 8))
    assert gains["1.weight"] == gains["6.bias"] == pytest.approx(math.exp(-4 / 8))


@pytest.mark.parametrize("seed", range(6))
def test_every_child_has_a_newest_layer_and_its_gains_fade_from_it(seed: int) -> None:
    parent = random_network(seed, 3)
    rng = np.random.default_rng(seed)
    tried = set()
    for name, morphism in MORPHISMS.items():
        for site in list(morphism.sites(parent.architecture))[:2]:
            try:
                g = morphism.apply(parent, site, rng).architecture
            except ValueError:
                continue
            tried.add(name)
            gains = ageing.gains(parent.architecture, g, 1.5)
            assert set(gains) == set(g.tensors), name
            assert ageing.newest(parent.architecture, g), name
            assert all(0.0 < gain <= 1.0 for gain in gains.values())
    assert len(tried) >= 5, "kinds that this parent has children of"
    same = ageing.gains(parent.architecture, parent.architecture, 1.5)
    assert set(same.values()) == {1.0}


def test_ageing_slows_old_layers_and_leaves_the_newest_ones_gradient_as_it_is() -> None:
    setting = setting_of()
    parent = base_network()
    child = MORPHISMS["deepen"].apply(parent, (3, 3), np.random.default_rng(0))
    gains = ageing.gains(parent.architecture, child.architecture, 1.0)
    batch = Batches(setting.train, 64, "train", (0,))(0)
    step = optim.heavy_ball(friction=1.0, weight_decay=0.0)
    after = []
    for options in ({}, {"gains": [gains]}):
        with Siblings([child], step, **options) as live:
            live.step([batch], None, 0.1)
            after.append(live.network(0).v)
    plain, aged = after
    for name, v in aged.items():
        torch.testing.assert_close(v, plain[name] * gains[name])
    new = f"{child.architecture.next_id - 1}.weight"
    assert torch.equal(aged[new], plain[new])
    assert float(aged["1.weight"].norm()) < 0.2 * float(plain["1.weight"].norm())
