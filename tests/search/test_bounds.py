"""No network of a search breaks a bound of the board, and a search that prunes comes down to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import portfolios
import pytest
from cases import CONSTRAINTS, EQUAL, network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rounds import run

import nasflow
from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import stack
from nasflow.config.kinds import Algorithm, Stored, Template
from nasflow.config.reading import parse
from nasflow.config.search import COMPOUND_WEIGHTS, MORPHISMS, SMALLER, Constraints, Search
from nasflow.deployment.flash import flash
from nasflow.deployment.ram import ram
from nasflow.network.morphisms import MORPHISMS as KNOWN
from nasflow.search import neighbourhood
from nasflow.search.bounds import exceeded, keeps, prunes, refuse
from nasflow.search.children import propose, within_bounds
from nasflow.search.neighbourhood import sample
from nasflow.search.particle_round import run_round
from nasflow.search.race import race
from nasflow.stages import rounds
from nasflow.storage.checkpoint import Checkpoint

some = settings(
    max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bounds are tight and chains long, most draws are in vain."""
    monkeypatch.setattr(neighbourhood, "PATIENCE", 10)


seeds = st.integers(0, 10**6)
SHRINKING = dict.fromkeys(("shallow", "narrow", "disconnect", "shrink_kernel"), 1.0)

COMPOUND = dict.fromkeys(COMPOUND_WEIGHTS, 1.0)


def bounded(g: Architecture, room: float, precision: Stored, **others: Any) -> Constraints:
    """Bounds that leave so much room above an architecture."""
    found = {"precision": precision} | {
        f"max_{name}": int(room * measure(g, precision))
        for name, measure in (("flash", flash), ("ram", ram))
    }
    return CONSTRAINTS.model_copy(update=found | others)


def within(g: Architecture, constraints: Constraints) -> bool:
    most = (constraints.max_flash, constraints.max_ram)
    taken = (measure(g, constraints.precision) for measure in (flash, ram))
    return all(bound is None or n <= bound for n, bound in zip(taken, most, strict=True))


@some
@given(
    seed=seeds,
    room=st.sampled_from([1.1, 1.3, 2.0]),
    precision=st.sampled_from(list(Stored)),
    n=st.sampled_from([1, 3]),
    compound=st.booleans(),
)
def test_no_child_breaks_a_bound(
    seed: int, room: float, precision: Stored, n: int, compound: bool
) -> None:
    parent, kinds = network(seed, seed % 4), COMPOUND if compound else EQUAL
    constraints = bounded(parent.architecture, room, precision)
    free = constraints.model_copy(update={"max_flash": None, "max_ram": None})
    made = {
        bounds: sample(
            parent, 4, n_morphisms=n, morphisms=kinds, constraints=bounds,
            rng=np.random.default_rng(seed),
        )
        for bounds in (constraints, free)
    }  # fmt: skip
    assert all(within(child.network.architecture, constraints) for child in made[constraints])
    if compound:  # all of these grow the network, so that the bounds are what holds them back
        assert not all(within(child.network.architecture, constraints) for child in made[free])


@some
@given(seed=seeds, n=st.sampled_from([1, 3]), precision=st.sampled_from(list(Stored)))
def test_a_search_that_prunes_takes_less_of_what_is_above_and_never_breaks_what_it_keeps(
    seed: int, n: int, precision: Stored
) -> None:
    rng = np.random.default_rng(seed)
    parent = nasflow.initialise(stack((16, 16, "P", 24, 24), (2, 8, 8), 5), rng)
    g = parent.architecture
    roomy = ram(g, precision)
    above = bounded(g, 0.3, precision, max_ram=roomy)
    kinds = dict(n_morphisms=n, morphisms=SHRINKING, constraints=above, rng=rng)
    made = [child.network.architecture for child in sample(parent, 6, **kinds)]
    assert made and not within(g, above)
    for child in made:
        assert flash(child, precision) < flash(g, precision)
        assert ram(child, precision) <= roomy
    grown = {**SHRINKING, "deepen": 1.0}  # such a search may only draw what keeps the bounds
    for child in sample(parent, 6, morphisms=grown, constraints=above, rng=rng):
        assert within(child.network.architecture, above)


def test_pruning_round_by_round_arrives_below_the_bounds_and_stays_there() -> None:
    rng = np.random.default_rng(2)
    current = nasflow.initialise(stack((16, 16, "P", 24, 24), (2, 8, 8), 5), rng)
    bounds, path = bounded(current.architecture, 0.4, Stored.INT8), []
    while children := sample(current, 1, morphisms=SHRINKING, constraints=bounds, rng=rng):
        current = children[0].network
        path.append(within(current.architecture, bounds))
    assert not path[0] and path[-1] and path == sorted(path)


def test_morphisms_that_shrink_are_those_that_do_not_preserve_the_function() -> None:
    assert set(SMALLER) == {name for name, kind in KNOWN.items() if not kind.preserves}
    assert prunes(SHRINKING) and not prunes(EQUAL) and not prunes(COMPOUND)
    only = dict.fromkeys(MORPHISMS, 0.0) | {"narrow": 1.0}
    assert prunes(parse(Search, {"morphisms": only}).drawn)


def test_a_network_above_a_bound_is_refused_in_one_line_for_each_bound_unless_pruned() -> None:
    g = nasflow.chain((8, 16, 32), 3, (1, 8, 8), 10)
    tight = {"max_flash": 5000, "max_ram": 639}
    search = parse(Search, {"constraints": tight})
    with pytest.raises(ValueError, match="raise the bound") as error:
        refuse(g, search)
    first, second = str(error.value).split("\n")
    assert first.startswith(
        "search.constraints.max_flash: 5000; the base network takes 6,680 bytes of weights in int8;"
    )
    assert second.startswith("search.constraints.max_ram: 639; the base network takes 640 bytes of")
    assert [e.key for e in exceeded(g, search.constraints)] == ["max_flash", "max_ram"]
    refuse(g, parse(Search, {"constraints": {"max_flash": 6680, "max_ram": 640}}))
    only = {"morphisms": dict.fromkeys(MORPHISMS, 0.0) | {"narrow": 1.0}}
    refuse(g, parse(Search, {"constraints": tight} | only))
    assert not keeps(g, search.constraints) and not keeps(g, search.constraints, above=g)


def test_bounds_hold_for_the_precision_that_is_asked_for() -> None:
    g = nasflow.chain((8, 16, 32), 3, (1, 8, 8), 10)
    bounds = {"max_flash": 7000, "max_ram": 700}
    assert keeps(g, Constraints(**bounds))
    whole = Constraints(**bounds, precision=Stored.FLOAT32)
    assert [e.precision for e in exceeded(g, whole)] == [Stored.FLOAT32] * 2


def test_a_round_refuses_a_centre_above_a_bound(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"search\.constraints\.max_flash: 1; g_r takes [0-9,]+ b"):
        run(folder, "above", 1, constraints={"max_flash": 1})


ROOMY = {"max_conv_layers": 40, "max_inputs": 16}
RESNET, LARGE, PLAIN = Template.RESNET20, Template.CHAIN7, Template.CHAIN6


def test_networks_of_a_portfolio_above_a_bound_are_left_out_in_one_line() -> None:
    names = (RESNET, LARGE, PLAIN)
    given = portfolios.setting(Algorithm.NASGD, names, constraints={"max_flash": 300_000})
    centre = portfolios.parent(given)
    assert within_bounds(centre, given).portfolio == (RESNET, PLAIN)
    start = Checkpoint(centre, 0, "sgd")
    (line,) = rounds._left_out(start, given)
    assert line.startswith("base.portfolio: chain7 takes 577,464 bytes")
    assert line.endswith("in int8; search.constraints.max_flash is 300000; it is left out")
    free = portfolios.setting(Algorithm.NASGD, names)
    assert within_bounds(centre, free).portfolio == names
    assert not list(rounds._left_out(start, free))


def test_a_portfolio_of_which_only_the_first_fits_gives_children_by_morphisms() -> None:
    bound = {"constraints": ROOMY | {"max_flash": 285_000}, "n_morphisms": 1}
    given = portfolios.setting(Algorithm.NASGD, (RESNET, LARGE), **bound)
    centre = portfolios.parent(given)
    own = within_bounds(centre, given)
    assert own.portfolio == ()
    children = propose(centre, 0, own)
    assert children and all(child.sites[0] for child in children)
    for child in children:
        assert flash(child.network.architecture, Stored.INT8) <= 285_000
    with pytest.raises(ValueError, match="two networks or more that keep the bounds in search"):
        race(centre, 0, given, lambda *_: None)


def test_the_first_network_of_a_portfolio_must_keep_the_bounds() -> None:
    given = portfolios.setting(Algorithm.NASGD, (LARGE, RESNET), constraints={"max_flash": 300_000})
    for algorithm in (run_round, race):
        with pytest.raises(ValueError, match=r"max_flash: 300000; .* takes 577,464 bytes"):
            algorithm(portfolios.parent(given), 0, given, lambda *_: None)


def test_a_search_in_memory_ends_before_any_training_where_its_start_is_above_a_bound() -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (60, 8, 8), dtype=np.uint8), np.arange(60) % 3
    steps: list[int] = []
    with pytest.raises(ValueError, match="max_ram: 100; the base network takes 640 bytes of maps"):
        nasflow.run_search(
            images,
            labels,
            search={"constraints": {"max_ram": 100}},
            progress=lambda done, of, note: steps.append(done),
        )
    assert not steps
