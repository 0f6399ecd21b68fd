"""A choice that nobody knows raises wherever it is made; nothing falls back to another choice."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pytest

from nasflow.config import kinds
from nasflow.config.compare import algorithm_of
from nasflow.config.search import Search
from nasflow.config.training import Training
from nasflow.particles import flow, particles
from nasflow.training import optim

ENUMS = [kind for kind in vars(kinds).values() if isinstance(kind, type) and kind is not StrEnum]


def test_an_unknown_member_raises() -> None:
    assert len(ENUMS) > 10
    for kind in ENUMS:
        with pytest.raises(ValueError, match="muno"):
            kind("muno")


def test_an_unknown_potential_raises() -> None:
    with pytest.raises(ValueError, match="powers"):
        flow.potential(np.ones(2), "powers", 1.0)


def test_an_unknown_algorithm_raises() -> None:
    with pytest.raises(ValueError, match="nasgdd"):
        algorithm_of("nasgdd-log")
    with pytest.raises(ValueError, match="nasgdd"):
        particles.rules("nasgdd", flow.graph(np.ones(2), 1.0), Search())


def test_an_unknown_optimizer_raises() -> None:
    unknown = Training.model_construct(optimizer="muno", weight_decay=0.0)
    with pytest.raises(AssertionError):
        optim.make(unknown)


def test_a_member_is_the_text_of_the_file() -> None:
    assert kinds.Optimizer.MUON == "muon" and f"{kinds.Optimizer.MUON}" == "muon"


def test_fixed_networks_are_the_templates_and_no_baselines() -> None:
    usual = [str(template) for template in kinds.Template if "_x" not in template]
    assert list(map(str, kinds.FIXED)) == usual
    groups = (kinds.FIXED, kinds.BASELINES, kinds.PARTICLES)
    assert len({*kinds.FIXED, *kinds.BASELINES, *kinds.PARTICLES}) == sum(map(len, groups))
    assert set(kinds.STARTS) == {*kinds.PARTICLES, kinds.Algorithm.RACE}
