"""Drawn children are legal, differ from one another and have weighted edges."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CONSTRAINTS, EQUAL, network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nasflow
from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node
from nasflow.architecture.templates import TEMPLATES
from nasflow.config.kinds import Graph
from nasflow.config.reading import parse
from nasflow.config.search import COMPOUND_WEIGHTS, Search
from nasflow.search.neighbourhood import connections, edges, legal, sample

many = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


some = settings(many, max_examples=25)


seeds = st.integers(0, 10**6)


depths = st.integers(0, 6)


@some
@given(seed=seeds, depth=depths)
def test_neighbours_differ_from_one_another_and_from_the_parent(seed: int, depth: int) -> None:
    parent = network(seed, depth)
    rng = np.random.default_rng(seed)
    family = sample(parent, 8, morphisms=EQUAL, constraints=CONSTRAINTS, rng=rng)
    prints = {child.network.architecture.fingerprint for child in family}
    assert len(prints) == len(family) == 8
    assert parent.architecture.fingerprint not in prints
    assert all(legal(child.network.architecture, CONSTRAINTS) for child in family)
    twice = sample(
        parent, 8, morphisms=EQUAL, constraints=CONSTRAINTS, rng=np.random.default_rng(seed)
    )
    assert [c.sites for c in twice] == [c.sites for c in family]


@some
@given(seed=seeds, n=st.integers(2, 4))
def test_children_by_several_morphisms_keep_the_constraints_on_the_way(seed: int, n: int) -> None:
    family = sample(
        network(seed, 1),
        4,
        n_morphisms=n,
        morphisms=EQUAL,
        constraints=CONSTRAINTS,
        rng=np.random.default_rng(seed),
    )
    assert len(family) == 4
    assert {len(child.morphisms) for child in family} == {n}
    assert len({child.network.architecture.fingerprint for child in family}) == 4
    assert all(legal(child.network.architecture, CONSTRAINTS) for child in family)


def test_compound_children_are_of_different_kinds_as_long_as_kinds_are_left() -> None:
    network = nasflow.initialise(TEMPLATES["chain6"]((3, 16, 16), 5), np.random.default_rng(0))
    kinds = {name for name, weight in COMPOUND_WEIGHTS.items() if weight}
    for seed in range(10):
        made = nasflow.draw_children(network, 11, seed=seed, moves="compound")
        names = [child.morphisms[0] for child in made]
        assert set(names[:8]) == kinds and len(names) == 11
        assert {len(child.morphisms) for child in made} == {1}
        twice = nasflow.draw_children(network, 11, seed=seed, moves="compound")
        assert [(c.morphisms, c.sites) for c in twice] == [(c.morphisms, c.sites) for c in made]
    several = nasflow.draw_children(
        network, 6, n_morphisms=2, moves="compound", max_filters=10_000, max_kernel=7
    )
    assert len(several) == 6 and {n for c in several for n in c.morphisms} <= kinds


def test_moves_decide_which_kinds_are_drawn() -> None:
    weights = {"widen_all": 5.0, "deepen": 2.0}
    for moves, compound in (("single", False), ("compound", True)):
        drawn = parse(Search, {"moves": moves, "morphisms": weights}).drawn
        assert {name in COMPOUND_WEIGHTS for name in drawn} == {compound}
        assert drawn["widen_all" if compound else "deepen"] in (5.0, 2.0)
    assert list(parse(Search, {}).drawn) == list(EQUAL)


def test_connections_of_nested_joins_are_counted_without_walking_every_path() -> None:
    nodes = [Node(0, "image", (), 2), Node(1, "conv", (0,), 2, 3), Node(2, "conv", (1,), 2, 3)]
    for new in range(3, 203):
        nodes.append(Node(new, "add", (new - 1, new - 2)))
    g = Architecture((*nodes, Node(203, "head", (202,), 3)), (4, 4))
    found = connections(g)
    assert [found[i] for i in range(3, 9)] == [2, 3, 5, 8, 13, 21]  # each path counts
    assert not legal(g, CONSTRAINTS)


def test_nothing_is_drawn_where_nothing_is_legal() -> None:
    parent = network(0, 0)
    bound = CONSTRAINTS.model_copy(update={"max_parameters": 1})
    rng = np.random.default_rng(0)
    for n in (1, 3):
        assert sample(parent, 3, n_morphisms=n, morphisms=EQUAL, constraints=bound, rng=rng) == []


def test_edges_weigh_what_the_configuration_says() -> None:
    parent = network(0, 0)
    rng = np.random.default_rng(1)
    family = sample(parent, 6, n_morphisms=2, morphisms=EQUAL, constraints=CONSTRAINTS, rng=rng)
    weights = {"deepen": 3.0, "widen": 0.5, "siblings": 0.25}
    search = parse(Search, {"edge_weights": weights})
    K = edges(family, search)
    assert (K == K.T).all()
    assert not K.diagonal().any()
    for i, child in enumerate(family, 1):
        assert K[0, i] == np.prod([search.edge_weights[name] for name in child.morphisms])
        assert all(K[i, j] == 0.25 for j in range(1, 7) if j != i)
    assert not edges(family, search.model_copy(update={"graph": Graph.STAR}))[1:, 1:].any()


def test_a_morphism_without_that_name_or_site_is_refused() -> None:
    network = nasflow.initialise(nasflow.chain((4, 8), 3, (1, 8, 8), 3), np.random.default_rng(0))
    with pytest.raises(ValueError, match="morphism: 'grows'; expected one of deepen"):
        nasflow.morph(network, "grows")
    with pytest.raises(ValueError, match=r"widen at \(2, 2\); its sites in this network: \(1, 2\)"):
        nasflow.morph(network, "widen", (2, 2))
    assert nasflow.sites(network.architecture)["widen"] == [(1, 2), (1, 4), (3, 2), (3, 4)]
    made = nasflow.draw_children(network, 5, seed=1, max_filters=8, morphisms={"add_pool": 0.0})
    assert len({child.network.architecture.fingerprint for child in made}) == 5
