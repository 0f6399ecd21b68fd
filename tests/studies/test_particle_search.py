"""Particles cross barriers and beat a random search on smooth landscapes."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from landscapes import PARTICLES, SEARCHES, words

from nasflow.studies.particle_search import particle_search
from nasflow.studies.table import Landscape, Search, explore


@pytest.mark.parametrize("name", PARTICLES)
def test_particles_cross_to_components_that_no_edge_reaches(name: str) -> None:
    islands = Landscape(
        range(40), lambda a: [b for b in (a ^ 1,) if b != a], lambda a: [float((a * 7) % 40)]
    )
    found = explore(SEARCHES[name], islands, 40, seed=5)
    assert len(found.seen) == 40


@pytest.mark.parametrize("name", PARTICLES)
def test_particles_leave_a_local_minimum(name: str) -> None:
    """A chain with a barrier: 0 is a local minimum, 12 the global one behind a hill."""
    height = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.0]
    chain = Landscape(
        range(13), lambda a: [b for b in (a - 1, a + 1) if 0 <= b < 13], lambda a: [height[a]]
    )
    search: Search[int] = partial(
        particle_search,
        algorithm="nasagd" if name == "nasagd" else "nasgd",
        proposal="uniform" if name == "uniform" else "smooth",
        start=1,
    )
    ends = [explore(search, chain, 13, seed).incumbents[-1] for seed in range(10)]
    assert ends == [12] * 10


@pytest.mark.parametrize("name", PARTICLES)
def test_particles_beat_random_on_smooth_landscapes(name: str) -> None:
    """Paired over 40 landscapes, at 50 of 625 architectures: by more than 4 standard errors."""
    gains = []
    for seed in range(40):
        table = words(seed, rugged=0.1)
        ours, random = (explore(SEARCHES[n], table, 50, seed) for n in (name, "random"))
        gains.append(table.value(random.incumbents[-1]) - table.value(ours.incumbents[-1]))
    assert np.mean(gains) > 4 * np.std(gains, ddof=1) / np.sqrt(len(gains))


def test_children_that_promise_much_are_better_than_uniform_ones() -> None:
    """Paired over 100 additive landscapes, at 25 of 625 architectures: by 3 standard errors."""
    gains = []
    for seed in range(100):
        table = words(seed)
        smooth, uniform = (explore(SEARCHES[n], table, 25, seed) for n in ("nasgd", "uniform"))
        gains.append(table.value(uniform.incumbents[-1]) - table.value(smooth.incumbents[-1]))
    assert np.mean(gains) > 3 * np.std(gains, ddof=1) / np.sqrt(len(gains))


@pytest.mark.parametrize("name", PARTICLES)
def test_particles_do_not_feel_the_unit_of_the_loss(name: str, rugged: Landscape[str]) -> None:
    scaled = Landscape(
        rugged.architectures,
        rugged.neighbours,
        lambda a: [1024.0 * loss for loss in rugged.losses(a)],
    )
    here, there = (explore(SEARCHES[name], t, 70, seed=6) for t in (rugged, scaled))
    assert list(here.seen) == list(there.seen)
