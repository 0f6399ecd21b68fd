"""Particles move to lower losses, stay finite and leave networks that dropped out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nasflow.config import experiment as config
from nasflow.config.experiment import Search, parse, plain
from nasflow.particles import flow
from nasflow.particles.flow import graph
from nasflow.particles.particles import Particles


def _particles(potential: str = "power", **second_order: Any) -> Particles:
    search = config.plain(config.Search()) | {"potential": potential}
    search["second_order"] = {**search["second_order"], **second_order}
    return Particles("nasagd", flow.graph(np.ones(8), 1.0), search)


LOSSES = np.array([0.5, 0.45, 0.5, 0.3, 0.52, 0.5, 0.48, 0.5, 0.6])


def _follow(particles: Particles, steps: int) -> list[Any]:
    rng, error = np.random.default_rng(0), np.full(9, 0.02)
    return [particles.step(rng, LOSSES, error, 0.05, still=False) for _ in range(steps)]


def test_nasagd_tends_to_lower_losses() -> None:
    particles = _particles()
    mean = [float(info.counts @ LOSSES / info.counts.sum()) for info in _follow(particles, 60)]
    assert mean[-1] < 0.42 < 0.49 < mean[0]
    assert particles.leader == 3
    assert particles.winner == 3


def test_the_printed_restart_keeps_every_particle_at_home() -> None:
    """While one child is worse than g_r, phi is reset before any particle has moved."""
    assert _follow(_particles(restart="paper"), 60)[-1].counts[0] == 1000


@pytest.mark.parametrize("potential", ["power", "log"])
@pytest.mark.parametrize(
    ("friction", "lead", "ends"), [(0.0, 0.0, 12), (1.0, 0.0, 0), (1.0, 1.6, 12)]
)
def test_nasagd_ends_a_round_for_a_lead_not_for_its_momentum(
    potential: str, friction: float, lead: float, ends: int
) -> None:
    """Nine nodes, one ahead by `lead` x confidence standard errors; 12 rounds of 100 steps."""
    error, losses, ended = 0.01, np.full(9, 0.5), 0
    for seed in range(12):
        particles, rng = (
            _particles(friction=friction, potential=potential),
            np.random.default_rng(seed),
        )
        losses[4] = 0.5 - lead * config.Search().confidence * error
        for _ in range(100):
            particles.step(rng, losses, np.full(9, error), 0.05, still=False)
            if particles.winner is not None:
                assert lead == 0.0 or particles.winner == 4
                ended += 1
                break
    assert ended == ends


@pytest.mark.parametrize("restart", ["signed", "never"])
@pytest.mark.parametrize("friction", [0.0, 1.0])
@pytest.mark.filterwarnings("error")
def test_phi_stays_finite_when_a_node_empties(restart: str, friction: float) -> None:
    """Without a floor the default overflowed after 14 steps."""
    particles = _particles(restart=restart, friction=friction)
    assert all(np.isfinite(info.phi).all() for info in _follow(particles, 2000))
    assert particles.counts.sum() == 1008


DEFAULT = plain(parse(Search, {}, "search"))


def _nasagd(friction: float) -> dict[str, Any]:
    return DEFAULT | {"second_order": DEFAULT["second_order"] | {"friction": friction}}


@pytest.mark.parametrize("friction", [0.0, 0.5, 1.0, 50.0])
@pytest.mark.parametrize("restart", ["signed", "never"])
def test_phi_stays_finite_whatever_a_sibling_loses(friction: float, restart: str) -> None:
    search = _nasagd(friction)
    search["second_order"]["restart"] = restart
    particles = Particles("nasagd", flow.graph(np.ones(8), 1.0), search)
    rng, V = np.random.default_rng(0), np.zeros(9)
    V[3], V[1] = 10.0, -0.001
    for _ in range(300):
        particles.step(rng, V, np.full(9, 1e-4), 0.05, still=False)
        assert np.isfinite(particles.phi).all()
        assert particles.counts.sum() == 1008
    assert particles.counts[3] < 100


def test_particles_of_dropouts_go_along_edges_and_none_comes_back() -> None:
    options = config.plain(config.Search(particles=100, graph="star"))
    particles = Particles("nasgd", graph(np.ones(3), 0.0), options)
    particles.counts = np.array([40, 41, 21, 1])
    rng, dead = np.random.default_rng(0), np.array([False, True, True, False])
    zeros = np.zeros(4)
    info = particles.step(rng, zeros, zeros, 0.05, still=True, dead=dead)
    assert info.counts.tolist() == [100, 1, 1, 1]
    attractive = np.array([0.0, -9.0, -9.0, -0.5])
    for _ in range(50):
        info = particles.step(rng, attractive, zeros, 0.05, still=False, dead=dead)
        assert info.counts[1:3].tolist() == [1, 1] and info.counts.sum() == 103
